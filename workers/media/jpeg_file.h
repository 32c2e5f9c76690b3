/* JPEG as a file of segments: what a camera leaves out of its frames is put back, nothing is coded
 * anew. */
#ifndef TROUPE_WORKERS_MEDIA_JPEG_FILE_H
#define TROUPE_WORKERS_MEDIA_JPEG_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Copies a JPEG from where it is read once, to `out`. One without Huffman tables (as cameras send
 * "Motion JPEG") gets the standard's, which is what it means. *written is its size there, without
 * what lies behind its end. TROUPE_E_CORRUPT: it is no whole JPEG, from its beginning to its end
 * mark; TROUPE_E_OVERSIZED: more than `capacity`. */
int jpeg_file_copy(const uint8_t *data, size_t size, uint8_t *out, size_t capacity,
		   size_t *written);

#endif
