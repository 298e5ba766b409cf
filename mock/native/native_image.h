/* native_image.h: what the operations need to know of models that draw: Nova Canvas, Titan Image, Stability's.
 *
 * docs/images.md says what is drawn, which sizes there are, and what of all this is not known of the service.
 */
#ifndef MOHS_MOCK_NATIVE_IMAGE_H
#define MOHS_MOCK_NATIVE_IMAGE_H

#include "mock/native/native.h"

/* native_image.c: sides of an image in base64; false: it is none. */
bool image_of(const char *base64, uint32_t *width, uint32_t *height);
/* "#0aF123" */
bool image_colour(const char *text, unsigned char rgb[3]);
/* The sides of what is asked of Nova Canvas or Titan Image; false: not a size of that model. */
bool image_amazon_size(const char *model, const cJSON *body, uint32_t *width, uint32_t *height);

#endif
