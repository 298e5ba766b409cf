// Dialogue.java: InvokeModelWithBidirectionalStream, where an application talks while it listens: the steps of a row of bidi.json.
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.services.bedrockruntime.BedrockRuntimeAsyncClient;
import software.amazon.awssdk.services.bedrockruntime.model.BidirectionalOutputPayloadPart;
import software.amazon.awssdk.services.bedrockruntime.model.InvokeModelWithBidirectionalStreamInput;
import software.amazon.awssdk.services.bedrockruntime.model.InvokeModelWithBidirectionalStreamResponseHandler;
import software.amazon.awssdk.utils.async.SimplePublisher;

final class Dialogue extends Driver.Answer {
    private static final Duration PATIENCE = Duration.ofSeconds(5); // for an answer that is waited for, and for the end

    private final SimplePublisher<InvokeModelWithBidirectionalStreamInput> input = new SimplePublisher<>();
    private final Map<String, Integer> counts = new HashMap<>();
    private String toolUseId = "";
    private int sent;
    private boolean over;

    @Override
    synchronized void event(SdkPojo event) throws ReflectiveOperationException {
        super.event(event);
        List<?> seen = (List<?>) events.remove(events.size() - 1);
        events.add(List.of(seen.get(0), seen.get(1), sent));
        if (event instanceof BidirectionalOutputPayloadPart part) {
            JsonNode said = JsonNode.parser().parse(part.bytes().asUtf8String()).field("event").orElseThrow();
            said.asObject().forEach((name, members) -> {
                counts.merge(name, 1, Integer::sum);
                toolUseId = members.field("toolUseId").map(JsonNode::asString).orElse(toolUseId);
            });
        }
        notifyAll();
    }

    private synchronized void finish() {
        over = true;
        notifyAll();
    }

    /** Whether an event comes so often; with no name, whether it is over. */
    private synchronized boolean until(String name, int n) throws InterruptedException {
        for (long last = System.nanoTime() + PATIENCE.toNanos();;) {
            if (name == null ? over : counts.getOrDefault(name, 0) >= n) {
                return true;
            }
            long left = TimeUnit.NANOSECONDS.toMillis(last - System.nanoTime());
            if (over || left <= 0) {
                return false;
            }
            wait(left);
        }
    }

    private void send(String word) {
        String filled;
        synchronized (this) {
            sent++;
            filled = word.replace("$toolUseId", toolUseId);
        }
        input.send(InvokeModelWithBidirectionalStreamInput.chunkBuilder().bytes(SdkBytes.fromString(filled, StandardCharsets.UTF_8)).build());
    }

    /** What it is stuck with; null: with nothing. */
    private String walk(List<JsonNode> steps, CompletableFuture<?> call) throws InterruptedException {
        for (JsonNode step : steps) {
            step.field("send").ifPresent(words -> words.asArray().forEach(word -> send(word.asString())));
            if (step.field("until").isPresent()) {
                List<JsonNode> wanted = step.field("until").get().asArray();
                int n = Integer.parseInt(wanted.get(1).asNumber());
                if (!until(wanted.get(0).asString(), n)) {
                    return "no " + wanted.get(0).asString() + " number " + n;
                }
            }
            if (step.field("end").isPresent()) {
                input.complete();
            }
            if (step.field("leave").isPresent()) {
                out.put("result", "left");
                call.cancel(true);
                return null;
            }
        }
        return until(null, 0) ? null : "it does not end";
    }

    static Map<String, Object> discuss(BedrockRuntimeAsyncClient client, JsonNode question) throws InterruptedException {
        Dialogue talk = new Dialogue();
        String model = question.field("input").orElseThrow().field("modelId").orElseThrow().asString();
        CompletableFuture<Void> call = client.invokeModelWithBidirectionalStream(r -> r.modelId(model), talk.input,
            InvokeModelWithBidirectionalStreamResponseHandler.builder().onResponse(talk::response).onError(error -> { })
                .subscriber(event -> {
                    try {
                        talk.event((SdkPojo) event);
                    } catch (ReflectiveOperationException e) {
                        throw new IllegalStateException(e);
                    }
                }).build());
        call.whenComplete((nothing, failure) -> talk.finish());
        String stuck = talk.walk(question.field("dialogue").orElseThrow().asArray(), call);
        boolean left = "left".equals(talk.out.get("result"));
        if (stuck != null) {
            call.cancel(true);
        }
        Throwable failure = call.handle((nothing, e) -> e).join();
        Map<String, Object> out = talk.streamed(failure);
        if (stuck != null || left) {
            out.put("result", left ? "left" : "stuck");
            out.put("error", left ? null : Map.of("message", stuck));
        }
        return out;
    }
}
