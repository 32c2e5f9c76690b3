/* A model in a file: what the trainer resumes from and what a processor can be pinned to. Labels
 * are kept by name, for their numbers differ from pipeline to pipeline.
 *
 *   "TROUPEMD" | file version | classes | features | model version | kind of features | names |
 * weights | crc32c
 *
 * Little-endian; file version, classes, features and crc32c have 32 bits, the model version 64,
 * kind and names NAME_SIZE bytes each with zeros behind the text, weights are IEEE floats, class by
 * class. The checksum is over everything before it. */
#ifndef TROUPE_WORKERS_MEDIA_MODEL_FILE_H
#define TROUPE_WORKERS_MEDIA_MODEL_FILE_H

#include "ipc/slots/layout.h"

#include <stddef.h>
#include <stdint.h>

struct model_file {
	uint64_t version; /* of the model, as the board counted it; for people */
	uint32_t classes; /* rows in use */
	char name[LABELS_MAX][NAME_SIZE];
	float weight[LABELS_MAX][MODEL_FEATURES_MAX]; /* FEATURES_COUNT columns in use */
};

/* Reads a model. TROUPE_E_NOT_FOUND, _DENIED or _IO: errno says more; TROUPE_E_MALFORMED: no model
 * file; TROUPE_E_SCHEMA: of another file version; TROUPE_E_UNSUPPORTED: for other features;
 * TROUPE_E_TRUNCATED, TROUPE_E_OVERSIZED, TROUPE_E_CORRUPT: damaged. *file is unspecified after an
 * error. */
int model_file_load(const char *path, struct model_file *file);

/* Writes a model so that `path` shows the old one or the new one whole, whatever happens meanwhile:
 * beside it, synced, then renamed. One writer a path. */
int model_file_save(const char *path, const struct model_file *file);

/* The model as predictors take it, with the labels' numbers in this pipeline and the file's version
 * (at least 1). Classes whose name the pipeline does not know (yet) are left out; returns how many
 * are in. */
int model_file_to_bank(const struct model_file *file, const struct ledger_header *header,
		       struct model_bank *bank);

/* The way back: a model off the board, by names. Classes whose label has no name are left out;
 * returns how many are in, or TROUPE_E_UNSUPPORTED for a model of other features. */
int model_file_from_bank(const struct model_bank *bank, const struct ledger_header *header,
			 struct model_file *file);

/* The number of the label called `name`, TROUPE_E_NOT_FOUND if the pipeline has none. */
int32_t label_find(const struct ledger_header *header, const char *name);

/* Writes the name of a label to `out`; TROUPE_E_NOT_FOUND for a number without one. */
int label_name(const struct ledger_header *header, int32_t label, char out[NAME_SIZE]);

#endif
