/* eventstream.h: application/vnd.amazon.eventstream, the framing of Bedrock's streams, both ways.
 *
 * A frame is: total length u32, headers length u32, CRC-32 of those eight bytes, headers, payload, CRC-32 of all
 * before it; integers are big-endian (Smithy 2.0, "Amazon Event Stream Specification"). The smallest frame is 16 bytes.
 *
 * The decoder is strict where official ones differ: duplicate header names, empty names, bad UTF-8 in names and
 * strings, header values beyond 32,767 bytes, and anything reaching past the headers block are errors. Empty strings
 * and byte arrays are taken (public suites hold them). A frame is judged in this order: prelude CRC, lengths, message
 * CRC, headers from the first to the last, duplicates. So no length is believed, and no memory asked for, on the word
 * of damaged bytes; and memory grows only as bytes arrive, not as lengths promise.
 */
#ifndef MOHS_EVENTSTREAM_H
#define MOHS_EVENTSTREAM_H

#include "protocol/base.h"
#include "protocol/buf.h"

#define ES_OVERHEAD    16        /* a frame without headers and payload */
#define ES_PRELUDE     12        /* both lengths and their CRC */
#define ES_PAYLOAD_MAX 25165824u /* 24 MiB, a limit of the specification */
#define ES_HEADERS_MAX 131072u   /* 128 KiB, likewise */
#define ES_FRAME_MAX   (ES_OVERHEAD + ES_HEADERS_MAX + ES_PAYLOAD_MAX)
#define ES_NAME_MAX    255u   /* the length is one byte */
#define ES_VALUE_MAX   32767u /* strings and byte arrays; the specification's limit, though the length has 16 bits */

/* The order is that of the table in eventstream.c; es_error_name() gives the words of fixtures/vectors. */
enum es_error {
    ES_OK = 0,    /* es_decoder_next: a message */
    ES_MORE,      /* es_decoder_next: all that was fed is used up */
    ES_TRUNCATED, /* the stream ended inside a frame */
    ES_PRELUDE_CRC,
    ES_MESSAGE_CRC,
    ES_LENGTH_TOO_SMALL, /* total below 16 */
    ES_LENGTH_TOO_LARGE, /* total above ES_FRAME_MAX */
    ES_HEADERS_TOO_LONG, /* headers above total - 16, or above ES_HEADERS_MAX */
    ES_HEADER_TRUNCATED, /* a name or value reaches past the headers block */
    ES_HEADER_TYPE,      /* a type above 9 */
    ES_HEADER_NAME_EMPTY,
    ES_HEADER_UTF8,
    ES_HEADER_VALUE_LIMIT, /* a value above ES_VALUE_MAX; encoding: also a name above ES_NAME_MAX, a number too wide */
    ES_DUPLICATE_HEADER,   /* names are compared byte by byte: "a" and "A" are two */
    ES_PAYLOAD_LIMIT,
    ES_NOMEM /* out of memory, or the ceiling of the caller's buffer */
};

/* "prelude_crc" and so on; "ok", "more", "nomem" for those that are not about the bytes. Never NULL. */
const char *es_error_name(enum es_error e);
/* The other way; false when nobody knows the name. */
bool es_error_from_name(const char *name, enum es_error *out);

enum es_type { ES_TRUE, ES_FALSE, ES_BYTE, ES_SHORT, ES_INTEGER, ES_LONG, ES_BYTES, ES_STRING, ES_TIMESTAMP, ES_UUID };
#define ES_TYPES 10

/* "true", "false", "byte", "short", "integer", "long", "bytes", "string", "timestamp", "uuid". */
const char *es_type_name(enum es_type type);
bool es_type_from_name(const char *name, enum es_type *out);

struct es_header {
    struct span name; /* 1 to 255 bytes of UTF-8 */
    enum es_type type;
    int64_t number;    /* byte, short, integer, long; timestamp in ms since 1970; true is 1, false is 0 */
    struct span bytes; /* bytes, string, uuid (16 raw bytes) */
};

struct es_message {
    const struct es_header *headers; /* in wire order */
    size_t count;
    struct span payload;
    struct span frame; /* all bytes of the frame, both CRCs included */
};

/* ---- reading a message ---- */

/* NULL when there is no such header. */
const struct es_header *es_header(const struct es_message *m, const char *name);
/* The text of a string header; the empty span when it is absent or of another type. */
struct span es_header_text(const struct es_message *m, const char *name);

enum es_kind { ES_EVENT, ES_EXCEPTION, ES_ERROR, ES_OTHER };
/* By :message-type. *name, unless NULL, becomes :event-type, :exception-type or :error-code. ES_OTHER: absent, not a
 * string or another word; clients fail on those. */
enum es_kind es_message_kind(const struct es_message *m, struct span *name);

/* Append one line for people, without a line end: kind, name, size, further headers, the head of the payload with
 * everything unprintable escaped. Payloads are shown up to ES_DESCRIBE_MAX bytes. */
#define ES_DESCRIBE_MAX 200
void es_describe(const struct es_message *m, struct buf *out);

/* ---- decoding ---- */

/* Pushed bytes in, messages out:
 *
 *     es_decoder_feed(&d, span);
 *     while ((e = es_decoder_next(&d, &m)) == ES_OK) ...
 *     if (e != ES_MORE) the stream is broken: es_decoder_explain(); the connection must be ended
 *     at the end of the stream: es_decoder_finish()
 *
 * The fed bytes must stay until next() has said ES_MORE (or an error): a message that lies in them whole is handed out
 * from there without a copy. A message, its headers and spans live until the next call on the decoder. An error
 * is final: next() repeats it and fed bytes are dropped. Nothing is allocated per frame once the decoder has seen its
 * largest cut frame and its longest list of headers (lists above 32 headers excepted, which are sorted to find twins).
 */
struct es_decoder {
    uint64_t messages; /* handed out so far; anyone may read */
    uint64_t offset;   /* where in the stream the frame begins that is next or broken; anyone may read */
    /* The rest is private. */
    struct span in;
    struct buf kept;
    bool spent;
    struct es_header *headers;
    size_t capacity;
    enum es_error error;
    uint64_t stated;
    uint64_t computed;
};

void es_decoder_init(struct es_decoder *d);
void es_decoder_release(struct es_decoder *d);
/* As after init, for the next stream, with the memory kept. */
void es_decoder_reset(struct es_decoder *d);
/* Only when next() has said ES_MORE since the last feed (asserted), or after an error (ignored). */
void es_decoder_feed(struct es_decoder *d, struct span bytes);
enum es_error es_decoder_next(struct es_decoder *d, struct es_message *m) MUST_USE;
/* The stream has ended: ES_OK at a frame boundary, else ES_TRUNCATED, or the error there was. Drain next() first. */
enum es_error es_decoder_finish(struct es_decoder *d) MUST_USE;
/* Append why the decoder stopped: "message_crc in the frame at byte 169: ...". Nothing when there is no error. */
void es_decoder_explain(const struct es_decoder *d, struct buf *out);

/* ---- encoding ---- */

/* Append one frame. What the decoder would refuse is refused with the same error and nothing is appended. */
enum es_error es_encode(const struct es_header *headers, size_t count, struct span payload, struct buf *out) MUST_USE;
/* The three kinds of frame as Bedrock writes them, headers in its order: the name, :content-type application/json,
 * :message-type. The error frame (:error-code, :error-message, :message-type, no payload) was never seen from Bedrock;
 * it is in the Smithy specification and SDKs know it. */
enum es_error es_encode_event(struct buf *out, const char *event_type, struct span payload) MUST_USE;
enum es_error es_encode_exception(struct buf *out, const char *exception_type, struct span payload) MUST_USE;
enum es_error es_encode_error(struct buf *out, const char *code, const char *message) MUST_USE;

struct es_header es_header_string(const char *name, const char *value); /* borrows both */

/* Bytes that es_encode() would append. */
size_t es_frame_size(const struct es_header *headers, size_t count, size_t payload_size);
/* Total length that the prelude at the head of `bytes` states; 0 when it is not there whole or its CRC is wrong. */
size_t es_frame_length(struct span bytes);
/* Where the payload lies in a well-formed frame. */
struct span es_frame_payload(struct span frame);
/* Compute both CRCs of the n-byte frame again, in place, after some of its bytes were patched. n >= 16 (asserted); the
 * lengths are left as they are, and are not looked at. Costs one pass over the frame. */
void es_reseal(unsigned char *frame, size_t n);

/* CRC-32 of ISO-HDLC (zlib, IEEE 802.3). es_crc32(es_crc32(0, a), b) is that of a followed by b. */
uint32_t es_crc32(uint32_t crc, struct span bytes);

#endif
