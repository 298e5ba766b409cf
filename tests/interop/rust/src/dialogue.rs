//! InvokeModelWithBidirectionalStream, where an application talks while it listens: the steps of a row of bidi.json.
//!
//! The call is a task, since the SDK gives the stream only when the server has answered, which it may do after the first words.
//! What was heard so far is in a `watch`, at which whoever waits for an event looks each time that something comes.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_bedrockruntime::operation::invoke_model_with_bidirectional_stream::builders::InvokeModelWithBidirectionalStreamFluentBuilder as Call;
use aws_sdk_bedrockruntime::operation::RequestId;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{BidirectionalInputPayloadPart, InvokeModelWithBidirectionalStreamInput as Word};
use aws_sdk_bedrockruntime::Client;
use futures_util::stream::poll_fn;
use serde_json::{json, Map, Value};
use tokio::sync::{mpsc, watch};

use super::{error_of, identify, Shape};

const PATIENCE: Duration = Duration::from_secs(5); // for an answer that is waited for, and for the end

#[derive(Default)]
struct Heard {
    answer: Map<String, Value>,
    events: Option<Vec<Value>>, // type, value, how many events were sent by then; none before the stream begins
    counts: HashMap<String, u64>,
    tool_use_id: String,
    sent: u64,
    over: bool,
}

impl Heard {
    fn take(&mut self, kind: String, value: Value) {
        let chunk = value["bytes"]["$base64"].as_str().and_then(|text| aws_smithy_types::base64::decode(text).ok());
        let said: Value = chunk.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        for (name, members) in said["event"].as_object().into_iter().flatten() {
            *self.counts.entry(name.clone()).or_default() += 1;
            if let Some(id) = members["toolUseId"].as_str() {
                self.tool_use_id = id.into();
            }
        }
        self.events.get_or_insert_default().push(json!([kind, value, self.sent]));
    }
}

async fn listen(call: Call, heard: Arc<watch::Sender<Heard>>) {
    let mut answer = Map::new();
    match call.send().await {
        Err(e) => refused!(e, answer),
        Ok(out) => {
            identify(&out, &mut answer);
            heard.send_modify(|h| (h.answer, h.events) = (answer.clone(), Some(Vec::new())));
            follow!(out.body, answer, |kind, value| heard.send_modify(|h| h.take(kind, value)));
        }
    }
    heard.send_modify(|h| (h.answer, h.over) = (answer, true));
}

/// Whether `wanted` came true, which it can until it is over.
async fn until(heard: &watch::Sender<Heard>, wanted: impl Fn(&Heard) -> bool) -> bool {
    let mut seen = heard.subscribe();
    let _ = tokio::time::timeout(PATIENCE, seen.wait_for(|h| h.over || wanted(h))).await;
    wanted(&heard.borrow())
}

type Words = mpsc::UnboundedSender<Word>;

/// Of a stream that broke, its own error tells more than that a word found no listener.
fn say(words: Option<&Words>, word: &str, heard: &watch::Sender<Heard>) {
    let mut filled = String::new();
    heard.send_modify(|h| {
        h.sent += 1;
        filled = word.replace("$toolUseId", &h.tool_use_id);
    });
    let part = BidirectionalInputPayloadPart::builder().bytes(Blob::new(filled)).build();
    let _ = words.map(|words| words.send(Word::Chunk(part)));
}

/// Takes the steps, and says how that ended when the stream did not end it. Without `words` the client's half is over.
async fn walk(steps: &[Value], words: &mut Option<Words>, heard: &watch::Sender<Heard>) -> Option<(&'static str, Value)> {
    for step in steps {
        for word in step["send"].as_array().into_iter().flatten() {
            say(words.as_ref(), word.as_str().unwrap_or_default(), heard);
        }
        if let Some([name, n]) = step["until"].as_array().map(Vec::as_slice) {
            let (name, n) = (name.as_str().unwrap_or_default(), n.as_u64().unwrap_or(1));
            if !until(heard, |h| h.counts.get(name).is_some_and(|count| *count >= n)).await {
                return Some(("stuck", json!({"message": format!("no {name} number {n}")})));
            }
        }
        if step.get("end").is_some() {
            *words = None;
        }
        if step.get("leave").is_some() {
            return Some(("left", Value::Null));
        }
    }
    let over = until(heard, |h| h.over).await;
    (!over).then(|| ("stuck", json!({"message": "it does not end"})))
}

pub async fn discuss(client: &Client, input: &Value, steps: &[Value]) -> Map<String, Value> {
    let (words, mut said) = mpsc::unbounded_channel();
    let stream = poll_fn(move |context| said.poll_recv(context).map(|word| word.map(Ok)));
    let heard = Arc::new(watch::Sender::new(Heard::default()));
    let call = client.invoke_model_with_bidirectional_stream().set_model_id(input["modelId"].as_str().map(str::to_owned)).body(stream.into());
    let listener = tokio::spawn(listen(call, heard.clone()));
    let mut words = Some(words);
    let ended = walk(steps, &mut words, &heard).await;
    listener.abort(); // no more than to leave, when it is over already
    let _ = listener.await; // gone, while `words` held its half open: who leaves does not end it first
    let mut out = Map::new();
    heard.send_modify(|h| {
        out = std::mem::take(&mut h.answer);
        if let Some(events) = h.events.take() {
            out.insert("events".into(), events.into());
        }
    });
    if let Some((result, error)) = ended {
        out.insert("result".into(), result.into());
        out.insert("error".into(), error);
    }
    out
}
