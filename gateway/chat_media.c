/* chat_media.c: images, videos and documents that a client sends inside its messages.
 *
 * The OpenAI API carries them as data URLs (or an s3:// address, as an extension); Converse wants a format word and
 * the base64 text alone. Nothing is fetched: an https URL is refused, so the gateway cannot be used to look
 * around in a network. A document needs a name of certain characters, unlike every other in the request; it is made
 * from the file name and counted in the order of the messages, so the same history always gives the same names (prompt
 * caches depend on it).
 */
#include "gateway/translation.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum media { IMAGE = 1, VIDEO = 2, DOCUMENT = 4 };

/* Bedrock Runtime API Reference: ImageFormat, VideoFormat, DocumentFormat; the media types are IANA's. */
static const struct media_row {
    enum media kind;
    const char *mime;
    const char *ending;
    const char *format;
} rows[] = {
    {IMAGE, "image/png", "png", "png"},
    {IMAGE, "image/jpeg", "jpeg", "jpeg"},
    {IMAGE, "image/jpg", "jpg", "jpeg"},
    {IMAGE, "image/gif", "gif", "gif"},
    {IMAGE, "image/webp", "webp", "webp"},
    {VIDEO, "video/mp4", "mp4", "mp4"},
    {VIDEO, "video/quicktime", "mov", "mov"},
    {VIDEO, "video/x-matroska", "mkv", "mkv"},
    {VIDEO, "video/webm", "webm", "webm"},
    {VIDEO, "video/x-flv", "flv", "flv"},
    {VIDEO, "video/mpeg", "mpeg", "mpeg"},
    {VIDEO, "video/x-ms-wmv", "wmv", "wmv"},
    {VIDEO, "video/3gpp", "3gp", "three_gp"},
    {DOCUMENT, "application/pdf", "pdf", "pdf"},
    {DOCUMENT, "text/csv", "csv", "csv"},
    {DOCUMENT, "application/msword", "doc", "doc"},
    {DOCUMENT, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", "docx"},
    {DOCUMENT, "application/vnd.ms-excel", "xls", "xls"},
    {DOCUMENT, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", "xlsx"},
    {DOCUMENT, "text/html", "html", "html"},
    {DOCUMENT, "text/plain", "txt", "txt"},
    {DOCUMENT, "text/markdown", "md", "md"},
    {DOCUMENT, "text/x-markdown", "markdown", "md"},
};

#define DOCUMENT_NAME_MAX 200

static const struct media_row *row_of_mime(struct span mime, enum media kind)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if ((rows[i].kind & kind) != 0 && span_is_nocase(mime, rows[i].mime))
            return &rows[i];
    return NULL;
}

static const struct media_row *row_of_ending(const char *name, enum media kind)
{
    const char *dot = name != NULL ? strrchr(name, '.') : NULL;
    for (size_t i = 0; dot != NULL && i < COUNT_OF(rows); i++)
        if ((rows[i].kind & kind) != 0 && span_is_nocase(span_of(dot + 1), rows[i].ending))
            return &rows[i];
    return NULL;
}

/* RFC 2397: data:[<type>][;parameters][;base64],<data>. *data is what stands behind the comma. */
static enum err split_data_url(struct translation *t, const char *url, struct span *mime, const char **data)
{
    const char *comma = strchr(url, ',');
    if (comma == NULL)
        return fail_bad(t->fail, t->where, "the data URL has no comma");
    struct span head = {(const unsigned char *)url + 5, (size_t)(comma - url) - 5};
    struct span rest;
    (void)span_split(head, ';', mime, &rest);
    static const char mark[] = ";base64";
    bool base64 = head.n >= sizeof mark - 1 && span_is_nocase(span_from(head, head.n - (sizeof mark - 1)), mark);
    if (!base64)
        return fail_bad(t->fail, t->where, "the data URL is not base64");
    *data = comma + 1;
    return OK;
}

static enum err check_base64(struct translation *t, const char *text)
{
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(BUF_ANY);
    enum err e = buf_add_unbase64(&bytes, span_of(text));
    if (e == ERR_SYNTAX || (e == OK && bytes.len == 0))
        return fail_bad(t->fail, t->where, "the data is not base64 (RFC 4648, section 4)");
    if (e != OK)
        t->starved = true;
    return e;
}

static cJSON *media_block(const char *kind, const char *format, cJSON *source)
{
    cJSON *body = tree_wrap_text("format", format);
    if (json_set(body, "source", source) == NULL) {
        cJSON_Delete(body);
        return NULL;
    }
    return tree_wrap(kind, body);
}

/* A URL of an image or video to its block. */
static enum err add_url(struct translation *t, const char *url, enum media kind, const char *word, cJSON *blocks)
{
    const struct media_row *row;
    if (strncmp(url, "s3://", 5) == 0) {
        row = row_of_ending(url, kind);
        if (row == NULL)
            return fail_bad(t->fail, t->where, "the s3 address has no ending of a known %s format", word);
        (void)tree_push(&t->starved, blocks,
                        media_block(word, row->format, tree_wrap("s3Location", tree_wrap_text("uri", url))));
        return OK;
    }
    if (strncmp(url, "data:", 5) != 0)
        return fail_bad(t->fail, t->where, "nothing is fetched here: send the %s as a base64 data URL", word);
    struct span mime = SPAN_EMPTY;
    const char *data = NULL;
    enum err e = split_data_url(t, url, &mime, &data);
    if (e != OK)
        return e;
    row = row_of_mime(mime, kind);
    if (row == NULL)
        return fail_bad(t->fail, t->where, "%.*s is no %s format of Converse", (int)(mime.n < 80 ? mime.n : 80),
                        (const char *)mime.p, word);
    e = check_base64(t, data);
    if (e == OK)
        (void)tree_push(&t->starved, blocks, media_block(word, row->format, tree_wrap_text("bytes", data)));
    return e;
}

/* {"image_url": {"url": "..."}} or {"image_url": "..."} */
static const char *url_of(const cJSON *part, const char *key)
{
    const cJSON *holder = json_member(part, key);
    return cJSON_IsString(holder) ? holder->valuestring : json_str(holder, "url");
}

enum err translate_image(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const char *url = url_of(part, "image_url");
    if (url == NULL)
        return fail_bad(t->fail, t->where, "an image_url part needs image_url.url");
    return add_url(t, url, IMAGE, "image", blocks);
}

enum err translate_video(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const char *url = url_of(part, "video_url");
    if (url == NULL)
        return fail_bad(t->fail, t->where, "a video_url part needs video_url.url");
    return add_url(t, url, VIDEO, "video", blocks);
}

/* ---- documents ---- */

/* Letters, digits, single spaces, - ( ) [ ]; the ending goes, for the format says it. */
static void clean_name(const char *file, struct buf *out)
{
    const char *dot = row_of_ending(file, DOCUMENT) != NULL ? strrchr(file, '.') : NULL;
    size_t n = dot != NULL ? (size_t)(dot - file) : strlen(file);
    for (size_t i = 0; i < n && out->len < DOCUMENT_NAME_MAX - 8; i++) {
        unsigned char c = (unsigned char)file[i];
        bool fine = c < 0x80 && (isalnum(c) || strchr("-()[]", c) != NULL);
        char last = out->len > 0 ? out->data[out->len - 1] : ' ';
        if (fine)
            buf_addc(out, (char)c);
        else if (last != ' ' && c < 0x80)
            buf_addc(out, ' ');
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    if (out->len == 0)
        buf_adds(out, "document");
}

static bool name_taken(const struct translation *t, const char *name)
{
    for (size_t i = 0; i < t->file_count; i++)
        if (strcasecmp(t->files[i], name) == 0)
            return true;
    return false;
}

/* NULL: out of memory. The name belongs to t. */
static const char *unique_name(struct translation *t, const char *file)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(DOCUMENT_NAME_MAX + 1);
    clean_name(file != NULL ? file : "document", &name);
    size_t stem = name.len;
    for (unsigned i = 2; name_taken(t, buf_text(&name)) && i <= CHAT_FILES_MAX + 1; i++) {
        name.len = stem;
        buf_addf(&name, " (%u)", i);
    }
    char *copy = buf_error(&name) == OK ? span_dup(buf_span(&name)) : NULL;
    if (copy != NULL)
        t->files[t->file_count++] = copy;
    else
        t->starved = true;
    return copy;
}

static enum err add_document(struct translation *t, const char *file, const struct media_row *row, const char *data,
                             cJSON *blocks)
{
    enum err e = check_base64(t, data);
    if (e != OK)
        return e;
    if (t->file_count == CHAT_FILES_MAX)
        return fail_bad(t->fail, t->where, "more than %d documents in one request", CHAT_FILES_MAX);
    const char *name = unique_name(t, file);
    cJSON *block = media_block("document", row->format, tree_wrap_text("bytes", data));
    if (tree_push(&t->starved, blocks, block) != NULL)
        (void)tree_text(&t->starved, json_member(block, "document"), "name", name != NULL ? name : "document");
    return t->starved ? ERR_NOMEM : OK;
}

enum err translate_file(struct translation *t, const cJSON *part, cJSON *blocks)
{
    const cJSON *file = json_member(part, "file");
    const char *data = json_str(file, "file_data"), *name = json_str(file, "filename");
    if (data == NULL)
        return fail_bad(t->fail, t->where,
                        json_str(file, "file_id") != NULL
                            ? "files are not stored here: send file_data instead of file_id"
                            : "a file part needs file.file_data");
    const struct media_row *row = row_of_ending(name, DOCUMENT);
    if (strncmp(data, "data:", 5) == 0) {
        struct span mime = SPAN_EMPTY;
        enum err e = split_data_url(t, data, &mime, &data);
        if (e != OK)
            return e;
        const struct media_row *by_mime = row_of_mime(mime, DOCUMENT);
        row = by_mime != NULL ? by_mime : row;
    }
    if (row == NULL)
        return fail_bad(t->fail, t->where,
                        "neither the media type nor the file name is of a document format of Converse");
    return add_document(t, name, row, data, blocks);
}
