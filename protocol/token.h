/* token.h: a deterministic token counter, for usage figures, limits and the pace of streams.
 *
 * No model counts like this one, and none needs to: the same text always gives the same count, on every machine, and
 * English comes out near what real tokenizers give (about four tokens for three words). The rule, from the start of the
 * text and again behind each token:
 *
 *   - one space in front belongs to the word, number or punctuation that follows it;
 *   - a word is cut into pieces of at most 8 bytes of letters (so 8 letters of ASCII, 4 of Greek or Cyrillic);
 *   - a number is cut into pieces of at most 3 digits;
 *   - punctuation is cut into pieces of at most 3 marks;
 *   - white space that leads nothing is one token, up to 16 bytes; line breaks among it do not matter;
 *   - a character of Chinese, Japanese or Korean, an emoji, any other symbol, and a byte that is not UTF-8 is one token
 * each.
 *
 * A token never splits a character, the tokens put together are the text, and the count of a text is the number of
 * tokens that token_next finds in it. Where a token ends depends only on what follows `from`, so a text may be cut
 * anywhere between tokens.
 */
#ifndef MOHS_TOKEN_H
#define MOHS_TOKEN_H

#include "protocol/json.h"

#define TOKEN_BYTES_MAX 17 /* of one token */

/* What a Converse request costs beside its texts. "hi" from a user is 3 + 4 + 1 = 8 tokens, as Claude counts it. */
#define TOKENS_PER_REQUEST    3
#define TOKENS_PER_MESSAGE    4
#define TOKENS_OF_SYSTEM      3    /* once, when there is a system text */
#define TOKENS_PER_TOOL       8    /* beside its name, description and schema */
#define TOKENS_PER_TOOL_BLOCK 8    /* toolUse and toolResult, beside name, input and content */
#define TOKENS_IMAGE_MAX      1600 /* an image is width * height / 750, at least 1; unknown sizes count as this */
#define BYTES_PER_MEDIA_TOKEN 256  /* of audio, video and documents that are not text */
#define TOKENS_REMOTE_MEDIA   1000 /* media behind an s3 location */

/* Bytes of the token that begins at `from`; 0 at the end. */
size_t token_next(struct span text, size_t from);
size_t token_count(struct span text);

/* One content block of Converse (of a message, a system list or a tool result), of any kind; cachePoint is 0. */
size_t token_count_block(const cJSON *block);
/* One entry of toolConfig.tools; a cachePoint there is 0. */
size_t token_count_tool(const cJSON *tool);
/* A Converse body, or the "converse" member of CountTokens: tools, system and messages. */
size_t token_count_request(const cJSON *body);
/* The same for the bytes of an image of known format, by its header (PNG, GIF, JPEG, WebP). */
size_t token_count_image(struct span bytes);

#endif
