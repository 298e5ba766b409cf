/* translation.h: what the files that translate one chat request share. Private to gateway/chat_*.c. */
#ifndef MOHS_GATEWAY_TRANSLATION_H
#define MOHS_GATEWAY_TRANSLATION_H

#include "gateway/chat.h"
#include "gateway/model.h"
#include "gateway/tree.h"

struct translation {
    const cJSON *in;
    cJSON *out;
    struct chat_request *request;
    struct model_traits traits;
    const char *beta;
    struct fail *fail;
    bool starved;
    bool thinking;               /* the model is asked to think, which forbids sampling and forcing a tool */
    bool tool_blocks;            /* the history holds toolUse or toolResult */
    char where[96];              /* the part being read: "messages[3].content[0]" */
    char *files[CHAT_FILES_MAX]; /* names of documents so far */
    size_t file_count;
};

/* Who may say a part. */
enum speaker { SYSTEM = 1, USER = 2, ASSISTANT = 4, TOOL = 8 };

/* chat_messages.c: messages to system and messages. */
enum err translate_messages(struct translation *t) MUST_USE;
/* Append a cachePoint to `blocks` for the cache_control of `of`, when there is one, the model takes it, and a block is
 * there for it to stand behind. */
void translate_cache_control(struct translation *t, const cJSON *of, bool allowed, cJSON *blocks);

/* chat_media.c: the parts image_url, video_url and file. */
enum err translate_image(struct translation *t, const cJSON *part, cJSON *blocks) MUST_USE;
enum err translate_video(struct translation *t, const cJSON *part, cJSON *blocks) MUST_USE;
enum err translate_file(struct translation *t, const cJSON *part, cJSON *blocks) MUST_USE;

/* chat_tools.c: tools and tool_choice to toolConfig; needs the messages translated. */
enum err translate_tools(struct translation *t) MUST_USE;

#endif
