/* tool_wanted.h: which tool the model calls when nobody told it.
 *
 * One round of a conversation is what follows a user's message that brings no tool result. In a round
 *   - a tool that toolChoice names is called, always;
 *   - with toolChoice `any` the one that was called least often so far, those the user speaks of before the others,
 * then in the order of the list: an agent that may only end by a tool of its own gets there after one call of each;
 *   - else one that the user speaks of and that was not called yet; none: the model answers with text.
 * So no conversation of an agent goes on for ever unless its toolChoice makes it.
 *
 * The user speaks of a tool when all words of its name stand side by side in the text ("get_weather", "GetWeather",
 * "get weather"), or when one telling word of it does ("weather"): four letters or more, and none that half of all
 * tools have in their names. Only the last text of the round's message, and of the message that came last, is looked
 * at.
 */
#ifndef MOHS_MOCK_TOOL_WANTED_H
#define MOHS_MOCK_TOOL_WANTED_H

#include "protocol/json.h"

#define TOOL_WANTED_TEXT (16 << 10) /* bytes of a text that are looked at: its end, where the question mostly stands   \
                                     */
#define TOOL_WANTED_WORDS 16        /* words of a name; API names have 64 characters at most */

/* The toolSpec, borrowed from the body of a Converse request; NULL: none. */
const cJSON *tool_wanted(const cJSON *body);

#endif
