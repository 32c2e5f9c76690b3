/* What there is: the segments of the folder and those of the index, side by side. A long recording
 * has a hundred thousand of them, and this is part of every start. */
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

/* Both lists side by side. */
struct merge {
	struct rescue *rescue;
	int at; /* in the list of files */
	size_t room;
};

static int compare_numbers(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left;
	uint32_t b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static bool is_there(const struct rescue *rescue, uint32_t number)
{
	return rescue->n_files > 0 && bsearch(&number, rescue->files, (size_t)rescue->n_files,
					      sizeof(*rescue->files), compare_numbers) != NULL;
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
	if (patient->why == TROUPE_E_TRUNCATED || patient->why == TROUPE_E_CORRUPT ||
	    patient->why == TROUPE_E_SCHEMA)
		return 0;
	if (patient->why < 0)
		return patient->why;
	memcpy(patient->segment.stream, reader.header.stream, NAME_SIZE);
	patient->segment.replaces = reader.header.replaces;
	patient->segment.created_wall = reader.header.created_wall;
	segment_close(&reader);
	return 0;
}

static int add_patient(struct merge *merge, uint32_t number, bool known, bool there)
{
	struct rescue *rescue = merge->rescue;
	struct patient *patient;
	int rc = 0;

	if (rescue->n_patients == merge->room) {
		size_t room = merge->room > 0 ? merge->room * 2 : 64;
		struct patient *list = realloc(rescue->patients, room * sizeof(*list));

		if (list == NULL)
			return TROUPE_E_MEMORY;
		rescue->patients = list;
		merge->room = room;
	}
	patient = &rescue->patients[rescue->n_patients++];
	*patient = (struct patient){.known = known, .there = there};
	patient->segment.number = number;
	if (known)
		rc = index_segment(rescue->index, number, &patient->segment);
	return rc == 0 && there ? look_at_file(rescue, patient) : rc;
}

/* Files that the index does not know, up to a number that it knows. */
static int unknown_files(struct merge *merge, uint32_t known)
{
	const struct rescue *rescue = merge->rescue;
	int rc = 0;

	while (rc == 0 && merge->at < rescue->n_files && rescue->files[merge->at] < known)
		rc = add_patient(merge, rescue->files[merge->at++], false, true);
	return rc;
}

static int next_known(void *arg, uint32_t number, bool closed)
{
	struct merge *merge = arg;
	int rc = unknown_files(merge, number);
	bool there =
		merge->at < merge->rescue->n_files && merge->rescue->files[merge->at] == number;

	merge->at += there;
	return rc == 0 && !(there && closed) ? add_patient(merge, number, true, there) : rc;
}

int recovery_has_newer(const struct rescue *rescue, uint32_t number, const char *stream)
{
	int64_t newer = number;

	while ((newer = index_newer_segment(rescue->index, (uint32_t)newer, stream)) >= 0)
		if (is_there(rescue, (uint32_t)newer))
			return 1;
	return newer == TROUPE_E_ENDED ? 0 : (int)newer;
}

static bool is_of(const struct patient *patient, const char *stream)
{
	return strcmp(patient->segment.stream, stream) == 0;
}

/* From the newest one back, the first of each stream is its last. What was re-coded was whole
 * before it had its name. */
static int mark_lasts(struct rescue *rescue)
{
	const struct patient **seen = NULL, **more;
	size_t n_seen = 0, at;
	int rc = 0;

	for (size_t i = rescue->n_patients; rc >= 0 && i-- > 0;) {
		struct patient *patient = &rescue->patients[i];

		if (!patient->there || patient->why < 0 || patient->segment.replaces != 0)
			continue;
		for (at = 0; at < n_seen && !is_of(seen[at], patient->segment.stream);)
			at++;
		if (at < n_seen)
			continue;
		more = realloc(seen, (n_seen + 1) * sizeof(struct patient *));
		if (more == NULL) {
			rc = TROUPE_E_MEMORY;
			break;
		}
		seen = more;
		seen[n_seen++] = patient;
		rc = recovery_has_newer(rescue, patient->segment.number, patient->segment.stream);
		patient->last = rc == 0;
	}
	free(seen);
	return rc < 0 ? rc : 0;
}

int recovery_survey(struct rescue *rescue)
{
	struct merge merge = {.rescue = rescue};
	int rc;

	rescue->n_files = segment_list(rescue->segments, &rescue->files);
	if (rescue->n_files < 0)
		return rescue->n_files;
	rc = index_walk_segments(rescue->index, next_known, &merge);
	if (rc == 0)
		rc = unknown_files(&merge, UINT32_MAX);
	return rc < 0 ? rc : mark_lasts(rescue);
}

void recovery_survey_finish(struct rescue *rescue)
{
	free(rescue->files);
	free(rescue->patients);
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
	rescue->touched = true;
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
		    unlinkat(rescue->segments, entry->d_name, 0) == 0) {
			rescue->done->removed++;
			rescue->touched = true;
		}
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
	uint32_t other = patient->segment.replaces;
	struct index_segment segment;
	int rc;

	if (patient->known || !patient->there || patient->why < 0 || other == 0)
		return 0;
	if (rescue->made)
		return is_there(rescue, other) ? is_whole(rescue, other) : 0;
	rc = index_segment(rescue->index, other, &segment);
	if (rc < 0)
		return rc == TROUPE_E_NOT_FOUND ? 0 : rc;
	return is_there(rescue, other) || segment.state == SEGMENT_DOOMED;
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
