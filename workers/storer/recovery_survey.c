/* What there is: the segments of the folder and those of the index, side by side. */
#include "workers/storer/recovery_private.h"

#include "ipc/base/errors.h"
#include "ipc/base/log.h"
#include "workers/storer/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The newest file of each stream. */
struct lasts {
	struct patient **last;
	size_t count;
};

static int add_patient(struct rescue *rescue, size_t *room, const struct patient *patient)
{
	if (rescue->n_patients == *room) {
		size_t more = *room > 0 ? *room * 2 : 64;
		struct patient *list = realloc(rescue->patients, more * sizeof(*list));

		if (list == NULL)
			return TROUPE_E_MEMORY;
		rescue->patients = list;
		*room = more;
	}
	rescue->patients[rescue->n_patients++] = *patient;
	return 0;
}

/* What the index does not know, its header says. */
static int look_at_file(struct rescue *rescue, struct patient *patient)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment_reader reader;
	struct stat st;

	if (fstatat(rescue->segments, segment_name(patient->segment.number, name), &st, 0) < 0)
		return error_from_errno(errno);
	patient->size = (uint64_t)st.st_size;
	if (patient->known)
		return 0;
	patient->why = segment_open(&reader, rescue->segments, patient->segment.number);
	if (patient->why < 0)
		return patient->why == TROUPE_E_TRUNCATED || patient->why == TROUPE_E_CORRUPT ||
				       patient->why == TROUPE_E_SCHEMA
			       ? 0
			       : patient->why;
	memcpy(patient->segment.stream, reader.header.stream, NAME_SIZE);
	patient->segment.replaces = reader.header.replaces;
	patient->segment.created_wall = reader.header.created_wall;
	segment_close(&reader);
	return 0;
}

/* Both lists are ascending. */
static int merge(struct rescue *rescue, const uint32_t *numbers, int count)
{
	struct index_segment known;
	size_t room = 0;
	int at = 0, rc, state = index_next_segment(rescue->index, 0, &known);

	while (at < count || state == 0) {
		struct patient patient = {0};

		if (state < 0 && state != TROUPE_E_ENDED)
			return state;
		patient.known = state == 0 && (at == count || known.number <= numbers[at]);
		patient.there = at < count && (state < 0 || numbers[at] <= known.number);
		patient.segment.number = patient.there ? numbers[at] : known.number;
		if (patient.known)
			patient.segment = known;
		rc = patient.there ? look_at_file(rescue, &patient) : 0;
		if (rc == 0)
			rc = add_patient(rescue, &room, &patient);
		if (rc < 0)
			return rc;
		at += patient.there;
		if (patient.known)
			state = index_next_segment(rescue->index, known.number, &known);
	}
	return state == TROUPE_E_ENDED ? 0 : state;
}

/* Remembers `patient` as the last of its stream so far. */
static int note_last(struct lasts *lasts, struct patient *patient)
{
	struct patient **more;

	for (size_t i = 0; i < lasts->count; i++) {
		if (strcmp(lasts->last[i]->segment.stream, patient->segment.stream) == 0) {
			lasts->last[i] = patient;
			return 0;
		}
	}
	more = realloc(lasts->last, (lasts->count + 1) * sizeof(struct patient *));
	if (more == NULL)
		return TROUPE_E_MEMORY;
	lasts->last = more;
	lasts->last[lasts->count++] = patient;
	return 0;
}

/* What was re-coded was whole before it had its name. */
static int mark_lasts(struct rescue *rescue)
{
	struct lasts lasts = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < rescue->n_patients; i++) {
		struct patient *patient = &rescue->patients[i];

		if (patient->there && patient->why == 0 && patient->segment.replaces == 0)
			rc = note_last(&lasts, patient);
	}
	for (size_t i = 0; i < lasts.count; i++)
		lasts.last[i]->last = true;
	free(lasts.last);
	return rc;
}

int recovery_survey(struct rescue *rescue)
{
	uint32_t *numbers;
	int count = segment_list(rescue->segments, &numbers);
	int rc = count < 0 ? count : merge(rescue, numbers, count);

	free(numbers);
	return rc < 0 ? rc : mark_lasts(rescue);
}

static int compare_patients(const void *key, const void *patient)
{
	uint32_t a = *(const uint32_t *)key;
	uint32_t b = ((const struct patient *)patient)->segment.number;

	return (a > b) - (a < b);
}

struct patient *recovery_patient(const struct rescue *rescue, uint32_t number)
{
	if (rescue->n_patients == 0)
		return NULL;
	return bsearch(&number, rescue->patients, rescue->n_patients, sizeof(*rescue->patients),
		       compare_patients);
}

int recovery_unlink(struct rescue *rescue, struct patient *patient)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(patient->segment.number, name);
	if (unlinkat(rescue->segments, name, 0) < 0 && errno != ENOENT)
		return error_from_errno(errno);
	patient->gone = true;
	return 0;
}

/* ---- what was not finished ---- */

static int throw_away_drafts(struct rescue *rescue)
{
	int fd = openat(rescue->segments, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		int rc = error_from_errno(errno);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot != NULL && strcmp(dot, SEGMENT_DRAFT) == 0 &&
		    unlinkat(rescue->segments, entry->d_name, 0) == 0)
			rescue->done->removed++;
	}
	closedir(dir);
	return 0;
}

/* Whether every byte of a segment is a record's. 1, 0, or an error. */
static int is_whole(const struct rescue *rescue, uint32_t number)
{
	uint64_t at = SEGMENT_HEADER;
	struct segment_reader reader;
	int rc = segment_open(&reader, rescue->segments, number);

	if (rc < 0)
		return rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED ? 0 : rc;
	while (rc == 0) {
		struct record record;
		uint32_t length;

		if (rescue->waiting != NULL)
			rescue->waiting(rescue->arg);
		rc = segment_read(&reader, at, &record, NULL, &length);
		at += rc == 0 ? length : 0;
	}
	segment_close(&reader);
	if (rc == TROUPE_E_CORRUPT || rc == TROUPE_E_TRUNCATED)
		return 0;
	return rc == TROUPE_E_ENDED ? 1 : rc;
}

/* The index tells where a frame is; without it the older one of two is as good as long as it is
 * whole. 1: the other one is to stay, so this one goes; 0, or an error. */
static int is_superfluous(const struct rescue *rescue, const struct patient *patient)
{
	const struct patient *other = recovery_patient(rescue, patient->segment.replaces);

	if (patient->known || !patient->there || patient->why < 0 ||
	    patient->segment.replaces == 0 || other == NULL)
		return 0;
	if (rescue->made)
		return is_whole(rescue, other->segment.number);
	return other->known && (other->there || other->segment.state == SEGMENT_DOOMED);
}

int recovery_throw_away(struct rescue *rescue)
{
	int rc = throw_away_drafts(rescue);

	for (size_t i = 0; rc == 0 && i < rescue->n_patients; i++) {
		struct patient *patient = &rescue->patients[i];

		rc = is_superfluous(rescue, patient);
		if (rc <= 0)
			continue;
		log_info("segment %06u.seg was to replace %06u.seg, which is still there: removed",
			 patient->segment.number, patient->segment.replaces);
		rescue->done->removed++;
		rc = recovery_unlink(rescue, patient);
	}
	return rc;
}
