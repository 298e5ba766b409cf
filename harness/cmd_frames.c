/* cmd_frames.c: mohs frames: an event stream, frame by frame, in words. For looking at captures. */
#include <stdio.h>

#include "protocol/file.h"
#include "harness/option.h"
#include "harness/verbs.h"
#include "protocol/eventstream.h"
#include "reports/exit.h"

enum { LARGEST_CAPTURE = 1 << 30 };

struct frames_options {
    bool hex, payload;
};

static const struct option_row rows[] = {
    {"hex", 0, NULL, OPTION_FLAG, offsetof(struct frames_options, hex),
     .help = "The input is hexadecimal text; white space is skipped."},
    {"payload", 0, NULL, OPTION_FLAG, offsetof(struct frames_options, payload),
     .help = "Print the whole payloads, one a line, and nothing else."},
};

static enum err unhex(struct buf *raw, struct note *note)
{
    CLEANUP(buf_release) struct buf digits = BUF_INIT(LARGEST_CAPTURE);
    for (size_t i = 0; i < raw->len; i++)
        if (strchr(" \t\r\n", raw->data[i]) == NULL)
            buf_addc(&digits, raw->data[i]);
    buf_reset(raw);
    return buf_add_unhex(raw, buf_span(&digits)) == OK
               ? OK
               : note_set(note, ERR_SYNTAX, "the input is not hexadecimal text of whole bytes");
}

static void show(const struct es_message *m, const struct frames_options *o)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(BUF_ANY);
    if (o->payload)
        buf_add(&line, m->payload);
    else
        es_describe(m, &line);
    buf_addc(&line, '\n');
    (void)fwrite(line.data, 1, line.len, stdout);
}

static int decode(struct span bytes, const struct frames_options *o)
{
    CLEANUP(es_decoder_release) struct es_decoder d;
    struct es_message m;
    enum es_error e;
    es_decoder_init(&d);
    es_decoder_feed(&d, bytes);
    while ((e = es_decoder_next(&d, &m)) == ES_OK)
        show(&m, o);
    if (e == ES_MORE)
        e = es_decoder_finish(&d);
    if (e == ES_OK) {
        (void)fprintf(stderr, "%llu frames, %zu bytes, all CRCs right\n", (unsigned long long)d.messages, bytes.n);
        return EXIT_HELD;
    }
    CLEANUP(buf_release) struct buf why = BUF_INIT(4096);
    es_decoder_explain(&d, &why);
    if (why.len == 0)
        buf_addf(&why, "%s: the stream ends inside the frame at byte %llu", es_error_name(e),
                 (unsigned long long)d.offset);
    (void)fprintf(stderr, "mohs frames: after %llu whole frames: %s\n", (unsigned long long)d.messages, buf_text(&why));
    return EXIT_FAILED;
}

static int run(const void *settings, const struct option_list *operands)
{
    const struct frames_options *o = settings;
    struct note note = {""};
    CLEANUP(buf_release) struct buf raw = BUF_INIT(LARGEST_CAPTURE);
    const char *file = operands->count == 0 ? "-" : operands->items[0];
    enum err e =
        operands->count > 1 ? note_set(&note, ERR_INVALID, "give one file at a time") : file_read(file, &raw, &note);
    if (e == OK && o->hex)
        e = unhex(&raw, &note);
    if (e == OK)
        return decode(buf_span(&raw), o);
    (void)fprintf(stderr, "mohs frames: %s\n", note.text);
    return EXIT_USAGE;
}

const struct verb verb_frames = {
    .name = "frames",
    .operands = "[FILE]",
    .summary = "print an event stream frame by frame",
    .about = "Decodes application/vnd.amazon.eventstream from a file or standard input: one line a frame, with its "
             "headers and the\n"
             "head of its payload. Both CRCs of every frame are checked; the first thing wrong is named with its "
             "position, and\n"
             "the exit code is 1.",
    .examples = "mohs frames capture.bin\tA response body as it was captured.\n"
                "mohs frames --hex --payload < capture.hex\tThe JSON payloads only.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct frames_options),
    .run = run,
};
