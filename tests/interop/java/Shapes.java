// Shapes.java: JSON into the SDK's objects and back, by the fields that the SDK describes.
import java.math.BigDecimal;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.SdkField;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.core.document.Document;
import software.amazon.awssdk.core.protocol.MarshallingType;
import software.amazon.awssdk.core.traits.ListTrait;
import software.amazon.awssdk.core.traits.MapTrait;
import software.amazon.awssdk.core.util.SdkAutoConstructList;
import software.amazon.awssdk.core.util.SdkAutoConstructMap;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.utils.builder.Buildable;

final class Shapes {
    private Shapes() {}

    // ---- in ----

    static SdkPojo builderOf(Class<?> type) {
        try {
            return (SdkPojo) type.getMethod("builder").invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Members are called memberName in Java's own way (ToolUseId), and locationName as on the wire. */
    private static boolean called(SdkField<?> field, String key) {
        return field.locationName().equals(key) || field.memberName().equalsIgnoreCase(key);
    }

    static Object make(Supplier<SdkPojo> constructor, JsonNode from) {
        SdkPojo builder = constructor.get();
        for (Map.Entry<String, JsonNode> member : from.asObject().entrySet()) {
            SdkField<?> field = builder.sdkFields().stream().filter(f -> called(f, member.getKey())).findFirst()
                .orElseThrow(() -> new IllegalArgumentException(builder.getClass() + " has no " + member.getKey()));
            field.set(builder, value(field, member.getValue()));
        }
        return ((Buildable) builder).build();
    }

    private static Object value(SdkField<?> field, JsonNode from) {
        MarshallingType<?> type = field.marshallingType();
        if (type == MarshallingType.SDK_POJO) {
            return make(field.constructor(), from);
        }
        if (type == MarshallingType.LIST) {
            SdkField<?> item = field.getTrait(ListTrait.class).memberFieldInfo();
            List<Object> out = new ArrayList<>();
            from.asArray().forEach(x -> out.add(value(item, x)));
            return out;
        }
        if (type == MarshallingType.MAP) {
            SdkField<?> item = field.getTrait(MapTrait.class).valueFieldInfo();
            Map<String, Object> out = new LinkedHashMap<>();
            from.asObject().forEach((key, x) -> out.put(key, value(item, x)));
            return out;
        }
        return scalar(type, from);
    }

    private static Object scalar(MarshallingType<?> type, JsonNode from) {
        if (type == MarshallingType.DOCUMENT) {
            return document(from);
        }
        if (type == MarshallingType.SDK_BYTES) {
            return from.isString() ? SdkBytes.fromUtf8String(from.asString())
                : SdkBytes.fromByteArray(Base64.getDecoder().decode(from.field("$base64").orElseThrow().asString()));
        }
        if (type == MarshallingType.STRING) {
            return from.asString();
        }
        if (type == MarshallingType.BOOLEAN) {
            return from.asBoolean();
        }
        BigDecimal number = new BigDecimal(from.asNumber());
        return type == MarshallingType.INTEGER ? (Object) number.intValueExact()
            : type == MarshallingType.LONG ? (Object) number.longValueExact()
            : type == MarshallingType.FLOAT ? (Object) number.floatValue() : (Object) number.doubleValue();
    }

    private static Document document(JsonNode from) {
        if (from.isObject()) {
            Map<String, Document> out = new LinkedHashMap<>();
            from.asObject().forEach((key, x) -> out.put(key, document(x)));
            return Document.fromMap(out);
        }
        if (from.isArray()) {
            return Document.fromList(from.asArray().stream().map(Shapes::document).toList());
        }
        return from.isString() ? Document.fromString(from.asString())
            : from.isBoolean() ? Document.fromBoolean(from.asBoolean())
            : from.isNull() ? Document.fromNull() : Document.fromNumber(from.asNumber());
    }

    // ---- out ----

    private static String name(SdkField<?> field) {
        String own = field.memberName();
        return field.locationName().contains("-") ? Character.toLowerCase(own.charAt(0)) + own.substring(1) : field.locationName();
    }

    /** An object of what is set. */
    static Map<String, Object> members(SdkPojo pojo) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (SdkField<?> field : pojo.sdkFields()) {
            Object value = field.getValueOrDefault(pojo);
            if (value != null && !(value instanceof SdkAutoConstructList) && !(value instanceof SdkAutoConstructMap)) {
                out.put(name(field), plain(value));
            }
        }
        return out;
    }

    private static Object plain(Object v) {
        if (v instanceof SdkPojo pojo) {
            return members(pojo);
        }
        if (v instanceof List<?> list) {
            return list.stream().map(Shapes::plain).toList();
        }
        if (v instanceof Map<?, ?> map) {
            Map<String, Object> out = new LinkedHashMap<>();
            map.forEach((key, x) -> out.put(String.valueOf(key), plain(x)));
            return out;
        }
        if (v instanceof SdkBytes bytes) {
            return Map.of("$base64", Base64.getEncoder().encodeToString(bytes.asByteArrayUnsafe()));
        }
        return v instanceof Instant moment ? moment.truncatedTo(ChronoUnit.SECONDS).toString() : v;
    }

    // ---- JSON ----

    static String json(Object v) {
        StringBuilder out = new StringBuilder();
        write(out, v);
        return out.toString();
    }

    private static void write(StringBuilder out, Object v) {
        if (v instanceof Document document) {
            writeDocument(out, document);
        } else if (v instanceof Map<?, ?> map) {
            writeMap(out, map);
        } else if (v instanceof List<?> list) {
            char before = '[';
            for (Object item : list) {
                out.append(before);
                write(out, item);
                before = ',';
            }
            out.append(list.isEmpty() ? "[]" : "]");
        } else if (v == null || v instanceof Number || v instanceof Boolean) {
            out.append(v);
        } else {
            writeString(out, v.toString());
        }
    }

    private static void writeDocument(StringBuilder out, Document v) {
        if (v.isMap()) {
            writeMap(out, v.asMap());
        } else if (v.isList()) {
            write(out, v.asList());
        } else if (v.isString()) {
            writeString(out, v.asString());
        } else {
            out.append(v.isNull() ? "null" : v.isBoolean() ? String.valueOf(v.asBoolean()) : v.asNumber().stringValue());
        }
    }

    private static void writeMap(StringBuilder out, Map<?, ?> map) {
        char before = '{';
        for (Map.Entry<?, ?> member : map.entrySet()) {
            writeString(out.append(before), String.valueOf(member.getKey()));
            write(out.append(':'), member.getValue());
            before = ',';
        }
        out.append(map.isEmpty() ? "{}" : "}");
    }

    private static void writeString(StringBuilder out, String s) {
        out.append('"');
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
