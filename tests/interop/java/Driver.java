// Driver.java: the AWS SDK for Java as a driver of tests/interop (README.md, "Drivers"): a line of JSON in, a call, a line out.
//
// The asynchronous clients, since streams need them. Operations are found by their names, and inputs and outputs are
// walked over by the fields that the SDK itself describes (SdkPojo), so that a row for another operation needs no code here.
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import org.reactivestreams.Subscriber;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.AwsResponse;
import software.amazon.awssdk.awscore.client.builder.AwsAsyncClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.eventstream.EventStreamResponseHandler;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.ProtocolNegotiation;
import software.amazon.awssdk.http.SdkHttpRequest;
import software.amazon.awssdk.http.async.AsyncExecuteRequest;
import software.amazon.awssdk.http.async.SdkAsyncHttpClient;
import software.amazon.awssdk.http.async.SdkHttpContentPublisher;
import software.amazon.awssdk.http.auth.aws.scheme.AwsV4AuthScheme;
import software.amazon.awssdk.http.auth.spi.scheme.AuthScheme;
import software.amazon.awssdk.http.auth.spi.signer.AsyncSignRequest;
import software.amazon.awssdk.http.auth.spi.signer.AsyncSignedRequest;
import software.amazon.awssdk.http.auth.spi.signer.HttpSigner;
import software.amazon.awssdk.http.auth.spi.signer.SignRequest;
import software.amazon.awssdk.http.auth.spi.signer.SignedRequest;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.http.nio.netty.SdkEventLoopGroup;
import software.amazon.awssdk.identity.spi.AwsCredentialsIdentity;
import software.amazon.awssdk.identity.spi.IdentityProvider;
import software.amazon.awssdk.identity.spi.IdentityProviders;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.bedrock.BedrockAsyncClient;
import software.amazon.awssdk.services.bedrockagentruntime.BedrockAgentRuntimeAsyncClient;
import software.amazon.awssdk.services.bedrockruntime.BedrockRuntimeAsyncClient;
import software.amazon.awssdk.services.sts.StsAsyncClient;
import software.amazon.awssdk.utils.SdkAutoCloseable;

public final class Driver {
    private static final int PATIENCE_S = 60;
    private static final SdkEventLoopGroup LOOPS = SdkEventLoopGroup.builder().numberOfThreads(2).build();
    private static final List<String> OPERATIONS = List.of("bedrock-runtime *", "bedrock *", "bedrock-agent-runtime *", "sts *");

    private Driver() {}

    // ---- the client ----

    /** What a careless proxy does to a request that was already signed. */
    private record Careless(String what, SdkAsyncHttpClient next) implements SdkAsyncHttpClient {
        @Override
        public CompletableFuture<Void> execute(AsyncExecuteRequest given) {
            SdkHttpRequest.Builder request = given.request().toBuilder();
            SdkHttpContentPublisher body = given.requestContentPublisher();
            switch (what) {
                case "body" -> body = new Jello(body);
                case "content-type" -> request.putHeader("Content-Type", "application/json; charset=utf-8");
                case "path" -> request.encodedPath(given.request().encodedPath().replace("%3A", ":"));
                case "unsigned" -> request.putHeader("x-forwarded-for", "127.0.0.1");
                default -> { }
            }
            return next.execute(AsyncExecuteRequest.builder().request(request.build()).requestContentPublisher(body)
                .responseHandler(given.responseHandler()).fullDuplex(given.fullDuplex())
                .httpExecutionAttributes(given.httpExecutionAttributes()).build());
        }

        @Override
        public String clientName() {
            return next.clientName();
        }

        @Override
        public void close() {
            next.close();
        }
    }

    private record Jello(SdkHttpContentPublisher body) implements SdkHttpContentPublisher {
        @Override
        public Optional<Long> contentLength() {
            return body.contentLength();
        }

        @Override
        public void subscribe(Subscriber<? super ByteBuffer> subscriber) {
            software.amazon.awssdk.core.async.SdkPublisher.adapt(body)
                .map(data -> ByteBuffer.wrap(StandardCharsets.UTF_8.decode(data).toString().replace("hello", "jello")
                    .getBytes(StandardCharsets.UTF_8)))
                .subscribe(subscriber);
        }
    }

    /** The usual signature by a clock that is wrong. */
    private record Skewed(Duration skew) implements AuthScheme<AwsCredentialsIdentity>, HttpSigner<AwsCredentialsIdentity> {
        private static final AwsV4AuthScheme USUAL = AwsV4AuthScheme.create();

        private Clock wrong(Clock clock) {
            return Clock.offset(clock == null ? Clock.systemUTC() : clock, skew);
        }

        @Override
        public String schemeId() {
            return USUAL.schemeId();
        }

        @Override
        public IdentityProvider<AwsCredentialsIdentity> identityProvider(IdentityProviders providers) {
            return USUAL.identityProvider(providers);
        }

        @Override
        public HttpSigner<AwsCredentialsIdentity> signer() {
            return this;
        }

        @Override
        public SignedRequest sign(SignRequest<? extends AwsCredentialsIdentity> request) {
            return USUAL.signer().sign(request.toBuilder().putProperty(SIGNING_CLOCK, wrong(request.property(SIGNING_CLOCK))).build());
        }

        @Override
        public CompletableFuture<AsyncSignedRequest> signAsync(AsyncSignRequest<? extends AwsCredentialsIdentity> request) {
            return USUAL.signer().signAsync(
                request.toBuilder().putProperty(SIGNING_CLOCK, wrong(request.property(SIGNING_CLOCK))).build());
        }
    }

    private static String text(JsonNode node, String key) {
        return node.field(key).map(JsonNode::asString).orElse("");
    }

    private static long number(JsonNode node, String key, long otherwise) {
        return node.field(key).map(n -> Long.parseLong(n.asNumber())).orElse(otherwise);
    }

    private static AwsCredentials credentials(JsonNode keys) {
        String id = text(keys, "accessKeyId");
        String secret = text(keys, "secretAccessKey");
        String token = text(keys, "sessionToken");
        return token.isEmpty() ? AwsBasicCredentials.create(id, secret) : AwsSessionCredentials.create(id, secret, token);
    }

    private static AwsClientBuilder<?, ?> builder(String service) {
        return switch (service) {
            case "bedrock-runtime" -> BedrockRuntimeAsyncClient.builder();
            case "bedrock" -> BedrockAsyncClient.builder();
            case "bedrock-agent-runtime" -> BedrockAgentRuntimeAsyncClient.builder();
            default -> StsAsyncClient.builder();
        };
    }

    private static SdkAutoCloseable client(JsonNode question, SdkAsyncHttpClient http) {
        JsonNode c = question.field("client").orElseThrow();
        if (text(c, "bearer").isEmpty()) {
            System.clearProperty("aws.bearerTokenBedrock");
        } else { // what AWS_BEARER_TOKEN_BEDROCK is in the environment, which a running program cannot change
            System.setProperty("aws.bearerTokenBedrock", text(c, "bearer"));
        }
        String region = text(c, "region");
        int attempts = (int) number(question, "attempts", 1);
        boolean adaptive = text(c, "retry_mode").equals("adaptive");
        AwsClientBuilder<?, ?> builder = builder(text(question, "service"));
        builder.region(Region.of(region.isEmpty() ? "us-east-1" : region)).endpointOverride(URI.create(text(question, "url")));
        if (text(c, "bearer").isEmpty()) {
            builder.credentialsProvider(StaticCredentialsProvider.create(credentials(c.field("credentials").orElseThrow())));
        }
        builder.overrideConfiguration(o -> o.retryStrategy(adaptive
            ? AwsRetryStrategy.adaptiveRetryStrategy().toBuilder().maxAttempts(attempts).build()
            : AwsRetryStrategy.standardRetryStrategy().toBuilder().maxAttempts(attempts).build()));
        ((AwsAsyncClientBuilder<?, ?>) builder).httpClient(new Careless(text(c, "tamper"), http));
        long skew = number(c, "clock_ms", 0);
        if (skew != 0) {
            builder.putAuthScheme(new Skewed(Duration.ofMillis(skew)));
        }
        return (SdkAutoCloseable) builder.build();
    }

    // ---- errors ----

    private static Map<String, Object> errorOf(Throwable given) {
        Throwable e = given;
        while ((e instanceof CompletionException || e instanceof ExecutionException || e instanceof InvocationTargetException)
            && e.getCause() != null) {
            e = e.getCause();
        }
        Map<String, Object> out = new LinkedHashMap<>();
        if (e instanceof SdkPojo pojo) {
            out.putAll(Shapes.members(pojo));
        }
        out.put("class", e.getClass().getSimpleName());
        out.put("name", e.getClass().getSimpleName());
        out.put("message", e.getMessage());
        if (e.getCause() != null) {
            out.put("cause", e.getCause().getClass().getSimpleName());
        }
        if (e instanceof AwsServiceException service) {
            if (service.awsErrorDetails() != null) {
                out.put("name", service.awsErrorDetails().errorCode());
                out.put("message", service.awsErrorDetails().errorMessage());
                if (service.awsErrorDetails().sdkHttpResponse() != null) {
                    out.put("retry_after", service.awsErrorDetails().sdkHttpResponse().firstMatchingHeader("Retry-After").orElse(null));
                }
            }
            out.put("status", service.statusCode());
            out.put("request_id", service.requestId());
        }
        return out;
    }

    // ---- a call ----

    /** What is known of an answer so far; a stream's handlers write into it from a thread of the HTTP client. */
    static class Answer {
        final Map<String, Object> out = new LinkedHashMap<>();
        final List<Object> events = new ArrayList<>();
        private boolean begun;

        synchronized void response(Object response) {
            begun = true;
            if (response instanceof AwsResponse aws) {
                if (aws.sdkHttpResponse() != null) {
                    out.put("status", aws.sdkHttpResponse().statusCode());
                }
                String id = aws.responseMetadata() == null ? null : aws.responseMetadata().requestId();
                out.put("request_id", "UNKNOWN".equals(id) ? null : id);
            }
        }

        synchronized void event(SdkPojo event) throws ReflectiveOperationException {
            Object type = find(event.getClass(), "sdkEventType").invoke(event);
            String kind = String.valueOf(type);
            events.add(List.of(kind.equals("null") ? "$unknown" : kind, Shapes.members(event)));
        }

        synchronized Map<String, Object> streamed(Throwable failure) {
            if (failure == null) {
                out.put("result", "stream ended");
            } else {
                out.put("result", begun ? "stream broke" : "refused");
                out.put("error", errorOf(failure));
            }
            if (begun) {
                out.put("events", events);
            }
            return out;
        }
    }

    private static Method find(Class<?> type, String name) throws NoSuchMethodException {
        for (Method method : type.getMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == 0) {
                method.setAccessible(true);
                return method;
            }
        }
        throw new NoSuchMethodException(type + "." + name);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object handler(Class<?> type, Answer answer) throws ReflectiveOperationException {
        EventStreamResponseHandler.Builder builder = (EventStreamResponseHandler.Builder) type.getMethod("builder").invoke(null);
        builder.onResponse((Consumer) answer::response);
        builder.onError((Consumer) error -> { }); // the future fails with it, too
        builder.subscriber((Consumer) event -> {
            try {
                answer.event((SdkPojo) event);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        });
        Method build = find(Class.forName(type.getName() + "$Builder"), "build");
        return build.invoke(builder);
    }

    private static Map<String, Object> call(JsonNode question, SdkAsyncHttpClient http) throws Exception {
        String operation = text(question, "operation");
        String method = Character.toLowerCase(operation.charAt(0)) + operation.substring(1);
        try (SdkAutoCloseable client = client(question, http)) {
            if (question.field("dialogue").isPresent()) {
                return Dialogue.discuss((BedrockRuntimeAsyncClient) client, question);
            }
            for (Method candidate : client.getClass().getMethods()) {
                Class<?>[] wants = candidate.getParameterTypes();
                if (!candidate.getName().equals(method) || wants.length == 0 || !SdkPojo.class.isAssignableFrom(wants[0])) {
                    continue;
                }
                candidate.setAccessible(true);
                Object request = Shapes.make(() -> Shapes.builderOf(wants[0]), question.field("input").orElseThrow());
                return wants.length == 1 ? unary(client, candidate, request) : stream(client, candidate, request, wants[1]);
            }
        }
        return Map.of("result", "refused", "error", Map.of("name", "NoSuchOperation", "class", "", "message", operation));
    }

    private static Map<String, Object> unary(Object client, Method method, Object request) {
        Answer answer = new Answer();
        try {
            SdkPojo response = (SdkPojo) ((CompletableFuture<?>) method.invoke(client, request)).get(PATIENCE_S, TimeUnit.SECONDS);
            answer.response(response);
            answer.out.put("result", "answer");
            answer.out.put("output", Shapes.members(response));
            return answer.out;
        } catch (Exception e) { // whatever the SDK throws is the outcome
            return Map.of("result", "refused", "error", errorOf(e));
        }
    }

    private static Map<String, Object> stream(Object client, Method method, Object request, Class<?> handler)
        throws ReflectiveOperationException {
        Answer answer = new Answer();
        Object handles = handler(handler, answer);
        try {
            ((CompletableFuture<?>) method.invoke(client, request, handles)).get(PATIENCE_S, TimeUnit.SECONDS);
            return answer.streamed(null);
        } catch (Exception e) {
            return answer.streamed(e);
        }
    }

    /** The CA of the mock that speaks TLS. */
    private static TrustManager[] trusted() {
        try (InputStream file = new FileInputStream(System.getenv("SSL_CERT_FILE"))) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            store.setCertificateEntry("mohs", CertificateFactory.getInstance("X.509").generateCertificate(file));
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            return factory.getTrustManagers();
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<String, Object> answer(JsonNode question) throws Exception {
        JsonNode c = question.field("client").orElseThrow();
        NettyNioAsyncHttpClient.Builder builder = NettyNioAsyncHttpClient.builder().eventLoopGroup(LOOPS)
            .readTimeout(Duration.ofMillis(number(c, "read_timeout_ms", 15000))).tlsTrustManagersProvider(Driver::trusted);
        if (question.field("dialogue").isPresent() && number(c, "http", 2) == 2) { // as the SDK asks its own client to
            builder.protocol(Protocol.HTTP2).protocolNegotiation(
                text(question, "url").startsWith("https:") ? ProtocolNegotiation.ALPN : ProtocolNegotiation.ASSUME_PROTOCOL);
        }
        try (SdkAsyncHttpClient http = builder.build()) {
            return call(question, http);
        }
    }

    public static void main(String[] given) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode question = JsonNode.parser().parse(line);
            out.println(Shapes.json(question.field("list").isPresent() ? OPERATIONS : answer(question)));
        }
        System.exit(0);
    }
}
