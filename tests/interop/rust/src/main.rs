//! The AWS SDK for Rust as a driver of tests/interop (README.md, "Drivers"): a line of JSON in, a call, a line out.
//!
//! What the types of the SDK look like is in shapes.rs, which shapes.py makes from the SDK's source; streams both ways are in
//! dialogue.rs.
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{token::SharedTokenProvider, SharedCredentialsProvider};
use aws_sdk_bedrockruntime::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents, Token};
use aws_sdk_bedrockruntime::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::RequestId;
use aws_sdk_bedrockruntime::primitives::{Blob, DateTime};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::{tls, Connector};
use aws_smithy_runtime_api::client::http::{http_client_fn, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::{base64, body::SdkBody, date_time::Format, Document, Number};
use aws_types::SdkConfig;
use hyper_util::client::legacy::{connect::HttpConnector as Tcp, Client as Hyper};
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};

const PATIENCE: Duration = Duration::from_secs(25);

// ---- plain values ----

/// JSON into a type of the SDK and back; nothing comes back from what is not set.
trait Shape: Sized {
    fn make(from: &Value) -> Result<Self, String>;
    fn plain(&self) -> Option<Value>;
}

/// Builders give a value, or a Result when something may be missing.
trait Built {
    type Made;
    fn built(self) -> Result<Self::Made, String>;
}

impl<T, E: std::error::Error> Built for Result<T, E> {
    type Made = T;
    fn built(self) -> Result<T, String> {
        self.map_err(|e| e.to_string())
    }
}

fn object(v: &Value) -> Result<&Map<String, Value>, String> {
    v.as_object().ok_or_else(|| format!("not an object: {v}"))
}

fn text(v: &Value) -> Result<&str, String> {
    v.as_str().ok_or_else(|| format!("not a text: {v}"))
}

fn put<T: Shape>(out: &mut Map<String, Value>, key: &str, member: &T) {
    if let Some(v) = member.plain() {
        out.insert(key.into(), v);
    }
}

fn one<T: Shape>(key: &str, member: &T) -> Option<Value> {
    let mut out = Map::new();
    put(&mut out, key, member);
    Some(Value::Object(out))
}

fn unknown() -> Option<Value> {
    Some(serde_json::json!({"$unknown": {}}))
}

impl<T: Shape> Shape for Option<T> {
    fn make(from: &Value) -> Result<Self, String> {
        Ok(Some(T::make(from)?))
    }
    fn plain(&self) -> Option<Value> {
        self.as_ref()?.plain()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn make(from: &Value) -> Result<Self, String> {
        from.as_array().ok_or("not a list")?.iter().map(T::make).collect()
    }
    fn plain(&self) -> Option<Value> {
        Some(Value::Array(self.iter().map(|x| x.plain().unwrap_or_default()).collect()))
    }
}

impl<T: Shape> Shape for HashMap<String, T> {
    fn make(from: &Value) -> Result<Self, String> {
        object(from)?.iter().map(|(k, v)| Ok((k.clone(), T::make(v)?))).collect()
    }
    fn plain(&self) -> Option<Value> {
        Some(Value::Object(self.iter().map(|(k, v)| (k.clone(), v.plain().unwrap_or_default())).collect()))
    }
}

macro_rules! scalar {
    ($type:ty, $from:ident, $make:expr, $v:ident, $plain:expr) => {
        impl Shape for $type {
            fn make($from: &Value) -> Result<Self, String> {
                $make.ok_or_else(|| format!("not a {}: {}", stringify!($type), $from))
            }
            fn plain(&self) -> Option<Value> {
                let $v = self;
                Some($plain)
            }
        }
    };
}

scalar!(String, from, from.as_str().map(str::to_owned), v, v.as_str().into());
scalar!(bool, from, from.as_bool(), v, (*v).into());
scalar!(i32, from, from.as_i64().and_then(|n| n.try_into().ok()), v, (*v).into());
scalar!(i64, from, from.as_i64(), v, (*v).into());
scalar!(f32, from, from.as_f64().map(|n| n as f32), v, number(&format!("{v:e}")));
scalar!(f64, from, from.as_f64(), v, number(&format!("{v:e}")));
scalar!(Blob, from, bytes(from), v, serde_json::json!({"$base64": base64::encode(v.as_ref())}));
scalar!(Document, from, Some(document(from)), v, value(v));
scalar!(DateTime, from, from.as_str().and_then(|s| DateTime::from_str(s, Format::DateTime).ok()), v,
        DateTime::from_secs(v.secs()).fmt(Format::DateTime).unwrap_or_default().into());

fn bytes(from: &Value) -> Option<Blob> {
    if let Some(text) = from.as_str() {
        return Some(Blob::new(text));
    }
    base64::decode(from.get("$base64")?.as_str()?).ok().map(Blob::new)
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn document(from: &Value) -> Document {
    match from {
        Value::Null => Document::Null,
        Value::Bool(b) => Document::Bool(*b),
        Value::String(s) => Document::String(s.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(members) => Document::Object(members.iter().map(|(k, v)| (k.clone(), document(v))).collect()),
        Value::Number(n) => Document::Number(if let Some(n) = n.as_u64() {
            Number::PosInt(n)
        } else if let Some(n) = n.as_i64() {
            Number::NegInt(n)
        } else {
            Number::Float(n.as_f64().unwrap_or(f64::NAN))
        }),
    }
}

fn value(from: &Document) -> Value {
    match from {
        Document::Bool(b) => (*b).into(),
        Document::String(s) => s.as_str().into(),
        Document::Array(items) => Value::Array(items.iter().map(value).collect()),
        Document::Object(members) => Value::Object(members.iter().map(|(k, v)| (k.clone(), value(v))).collect()),
        Document::Number(Number::PosInt(n)) => (*n).into(),
        Document::Number(Number::NegInt(n)) => (*n).into(),
        Document::Number(Number::Float(n)) => number(&format!("{n:e}")),
        _ => Value::Null,
    }
}

// ---- errors ----

/// The name of what Debug prints first: ValidationException(ValidationException { … }).
fn variant<E: std::fmt::Debug>(e: &E) -> String {
    format!("{e:?}").split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned()
}

fn error_of<E, R>(e: &SdkError<E, R>) -> Map<String, Value>
where
    E: std::error::Error + ProvideErrorMetadata + std::fmt::Debug + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
    SdkError<E, R>: ProvideErrorMetadata,
{
    let mut out = Map::new();
    let class = if let SdkError::ServiceError(service) = e { variant(service.err()) } else { variant(e) };
    out.insert("class".into(), class.as_str().into());
    out.insert("name".into(), e.code().unwrap_or(&class).into());
    let said = if matches!(e, SdkError::ServiceError(_)) { e.message().map(str::to_owned) } else { Some(DisplayErrorContext(e).to_string()) };
    if let Some(message) = said {
        out.insert("message".into(), message.into());
    }
    let mut inner = std::error::Error::source(e);
    while let Some(e) = inner {
        SERVICES.iter().for_each(|service| (service.more_of)(e, &mut out));
        inner = e.source();
    }
    out
}

macro_rules! refused {
    ($e:expr, $answer:ident) => {{
        let mut error = error_of(&$e);
        if let Some(id) = $e.request_id() {
            error.insert("request_id".into(), id.into());
        }
        if let Some(raw) = $e.raw_response() {
            error.insert("status".into(), raw.status().as_u16().into());
            if let Some(after) = raw.headers().get("retry-after") {
                error.insert("retry_after".into(), after.into());
            }
        }
        $answer.insert("result".into(), "refused".into());
        $answer.insert("error".into(), Value::Object(error));
    }};
}

macro_rules! follow {
    ($stream:expr, $answer:ident) => {{
        let mut events = Vec::new();
        follow!($stream, $answer, |kind: String, value| events.push(Value::Array(vec![kind.into(), value])));
        $answer.insert("events".into(), Value::Array(events));
    }};
    ($stream:expr, $answer:ident, $take:expr) => {{
        let mut stream = $stream;
        #[allow(unused_mut)]
        let mut take = $take;
        $answer.insert("result".into(), "stream ended".into());
        loop {
            match stream.recv().await {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let Some(Value::Object(event)) = event.plain() {
                        event.into_iter().for_each(|(kind, value)| take(kind, value));
                    }
                }
                Err(e) => {
                    $answer.insert("result".into(), "stream broke".into());
                    $answer.insert("error".into(), Value::Object(error_of(&e)));
                    break;
                }
            }
        }
    }};
}

fn identify(output: &impl RequestId, answer: &mut Map<String, Value>) {
    if let Some(id) = output.request_id() {
        answer.insert("request_id".into(), id.into());
    }
}

mod dialogue;
#[allow(deprecated)]
mod shapes;

/// What shapes.rs has of each service, but for the calls, whose clients have a type each.
struct Service {
    operations: &'static [&'static str],
    more_of: fn(&(dyn std::error::Error + 'static), &mut Map<String, Value>),
}

const SERVICES: &[Service] = &[
    Service { operations: shapes::bedrock_runtime::OPERATIONS, more_of: shapes::bedrock_runtime::more_of },
    Service { operations: shapes::bedrock::OPERATIONS, more_of: shapes::bedrock::more_of },
    Service { operations: shapes::bedrock_agent_runtime::OPERATIONS, more_of: shapes::bedrock_agent_runtime::more_of },
    Service { operations: shapes::sts::OPERATIONS, more_of: shapes::sts::more_of },
];

// ---- the client ----

/// What a careless proxy does to a request that was already signed; it also notes the status, which streams do not tell.
#[derive(Debug)]
struct Careless {
    what: String,
    status: Arc<Mutex<Option<u16>>>,
}

impl Intercept for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn modify_before_transmit(
        &self, context: &mut BeforeTransmitInterceptorContextMut<'_>, _: &RuntimeComponents, _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        match self.what.as_str() {
            "body" => {
                let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).replace("hello", "jello");
                *request.body_mut() = SdkBody::from(body);
            }
            "content-type" => {
                request.headers_mut().insert("content-type", "application/json; charset=utf-8");
            }
            "path" => {
                let uri = request.uri().replace("%3A", ":");
                request.set_uri(uri)?;
            }
            "unsigned" => {
                request.headers_mut().insert("x-forwarded-for", "127.0.0.1");
            }
            _ => {}
        }
        Ok(())
    }

    fn read_before_deserialization(
        &self, context: &BeforeDeserializationInterceptorContextRef<'_>, _: &RuntimeComponents, _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.status.lock().unwrap() = Some(context.response().status().as_u16());
        Ok(())
    }
}

#[derive(Debug)]
struct Skewed(i64);

impl TimeSource for Skewed {
    fn now(&self) -> SystemTime {
        let by = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}

/// HTTP/2 from the first byte, which the SDK's own connector only agrees upon, over TLS.
#[derive(Debug)]
struct PriorKnowledge(Hyper<Tcp, SdkBody>);

impl HttpConnector for PriorKnowledge {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
            let response = client.request(request).await.map_err(|e| ConnectorError::io(e.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x)).map_err(|e| ConnectorError::other(e.into(), None))
        })
    }
}

fn http_client(question: &Value) -> SharedHttpClient {
    if question["url"].as_str().is_some_and(|url| url.starts_with("https:")) {
        let rustls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        http_client_fn(move |settings, _| {
            SharedHttpConnector::new(Connector::builder().connector_settings(settings.clone()).tls_provider(rustls.clone()).build())
        })
    } else if question["dialogue"].is_array() && question["client"]["http"] != 1 {
        http_client_fn(|_, _| {
            SharedHttpConnector::new(PriorKnowledge(Hyper::builder(TokioExecutor::new()).http2_only(true).build_http()))
        })
    } else {
        http_client_fn(|settings, _| {
            SharedHttpConnector::new(Connector::builder().connector_settings(settings.clone()).build_http())
        })
    }
}

/// What is the same for the clients of all services, as aws-config would make it.
fn config(question: &Value) -> SdkConfig {
    let c = &question["client"];
    let keys = &c["credentials"];
    let own = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let attempts = question["attempts"].as_u64().unwrap_or(1) as u32;
    let retries = if c["retry_mode"] == "adaptive" { RetryConfig::adaptive() } else { RetryConfig::standard() };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_millis(c["read_timeout_ms"].as_u64().unwrap_or(15000)));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(own(&question["url"]))
        .region(Region::new(c["region"].as_str().unwrap_or("us-east-1").to_owned()))
        .retry_config(retries.with_max_attempts(attempts))
        .timeout_config(timeouts.build())
        .time_source(Skewed(c["clock_ms"].as_i64().unwrap_or(0)))
        .http_client(http_client(question));
    let config = match c["bearer"].as_str() {
        Some(token) => config.token_provider(SharedTokenProvider::new(Token::new(token, None))),
        None => config.credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            own(&keys["accessKeyId"]), own(&keys["secretAccessKey"]), keys["sessionToken"].as_str().map(str::to_owned), None, "row",
        ))),
    };
    config.build()
}

/// A client of one service: `client!(aws_sdk_sts, config, careless)`.
macro_rules! client {
    ($sdk:ident, $config:expr, $careless:expr) => {
        $sdk::Client::from_conf($sdk::config::Builder::from(&$config).interceptor($careless).build())
    };
}

async fn call(question: &Value, careless: Careless, out: &mut Map<String, Value>) -> Result<(), String> {
    let config = config(question);
    let operation = question["operation"].as_str().unwrap_or_default();
    let input = &question["input"];
    match question["service"].as_str().unwrap_or_default() {
        "bedrock-runtime" => {
            let client = client!(aws_sdk_bedrockruntime, config, careless);
            if let Some(steps) = question["dialogue"].as_array() {
                *out = dialogue::discuss(&client, input, steps).await;
                return Ok(());
            }
            shapes::bedrock_runtime::call(&client, operation, input, out).await
        }
        "bedrock" => shapes::bedrock::call(&client!(aws_sdk_bedrock, config, careless), operation, input, out).await,
        "bedrock-agent-runtime" => {
            shapes::bedrock_agent_runtime::call(&client!(aws_sdk_bedrockagentruntime, config, careless), operation, input, out).await
        }
        "sts" => shapes::sts::call(&client!(aws_sdk_sts, config, careless), operation, input, out).await,
        other => Err(format!("no service is called {other}")),
    }
}

async fn answer(question: &Value) -> Value {
    let status = Arc::new(Mutex::new(None));
    let careless = Careless { what: question["client"]["tamper"].as_str().unwrap_or_default().to_owned(), status: status.clone() };
    let mut out = Map::new();
    let trouble = match tokio::time::timeout(PATIENCE, call(question, careless, &mut out)).await {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(("Unbuildable", why)),
        Err(_) => Some(("Hangs", format!("no end within {PATIENCE:?}"))),
    };
    if let Some((class, why)) = trouble {
        out.insert("result".into(), "refused".into());
        out.insert("error".into(), serde_json::json!({"class": class, "name": class, "message": why}));
    } else if let (Some(status), true) = (*status.lock().unwrap(), out["result"] != "refused") {
        out.insert("status".into(), status.into());
    }
    Value::Object(out)
}

fn main() {
    let operations: Vec<&str> = SERVICES.iter().flat_map(|service| service.operations).copied().collect();
    // A thread of its own for connections: one that is left behind is still told so.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let said = if question.get("list").is_some() { serde_json::json!(operations) } else { runtime.block_on(answer(&question)) };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{said}").and_then(|()| out.flush()).expect("a reader");
    }
}
