/* Reading and writing model files: built and checked in one buffer, moved by one read or write
 * loop. */
#include "workers/media/model_file.h"

#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "ipc/base/fail_points.h"
#include "workers/media/features.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_VERSION 1

/* eight letters, no final zero */
static const char magic[8] = {'T', 'R', 'O', 'U', 'P', 'E', 'M', 'D'};

/* The fixed part as it lies in the file. */
struct file_head {
	char magic[sizeof(magic)];
	uint32_t file_version, classes, features, reserved;
	uint64_t model_version;
	char kind[NAME_SIZE];
};

static_assert(sizeof(struct file_head) == 64, "file_head is part of the file format");
static_assert(sizeof(FEATURES_KIND) <= NAME_SIZE, "the kind of features must fit");
static_assert(sizeof(float) == 4, "weights are IEEE floats of 32 bits");

#define ROW_BYTES (FEATURES_COUNT * sizeof(float))
#define CRC_BYTES sizeof(uint32_t)
#define FILE_MAX  (sizeof(struct file_head) + LABELS_MAX * (NAME_SIZE + ROW_BYTES) + CRC_BYTES)

static size_t file_size(uint32_t classes)
{
	return sizeof(struct file_head) + classes * (NAME_SIZE + ROW_BYTES) + CRC_BYTES;
}

static void put_floats(uint8_t *to, const float *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &from[i], sizeof(bits));
		bits = htole32(bits);
		memcpy(to + i * sizeof(bits), &bits, sizeof(bits));
	}
}

/* False when a weight is not a number. */
static bool get_floats(float *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, from + i * sizeof(bits), sizeof(bits));
		bits = le32toh(bits);
		memcpy(&to[i], &bits, sizeof(bits));
		if (!isfinite(to[i]))
			return false;
	}
	return true;
}

static size_t encode(const struct model_file *file, uint8_t out[FILE_MAX])
{
	struct file_head head = {
		.file_version = htole32(FILE_VERSION),
		.classes = htole32(file->classes),
		.features = htole32(FEATURES_COUNT),
		.model_version = htole64(file->version),
		.kind = FEATURES_KIND,
	};
	memcpy(head.magic, magic, sizeof(magic));
	memcpy(out, &head, sizeof(head));
	uint8_t *at = out + sizeof(head);
	for (uint32_t c = 0; c < file->classes; c++, at += NAME_SIZE) {
		memset(at, 0, NAME_SIZE);
		memcpy(at, file->name[c], strnlen(file->name[c], NAME_SIZE - 1));
	}
	for (uint32_t c = 0; c < file->classes; c++, at += ROW_BYTES)
		put_floats(at, file->weight[c], FEATURES_COUNT);
	uint32_t crc = htole32(crc32c(0, out, (size_t)(at - out)));
	memcpy(at, &crc, sizeof(crc));
	return (size_t)(at - out) + sizeof(crc);
}

/* Whether the fixed part is of a file that this program can read; sizes are checked by the caller.
 */
static int check_head(const struct file_head *head)
{
	if (le32toh(head->file_version) != FILE_VERSION)
		return TROUPE_E_SCHEMA;
	if (le32toh(head->classes) > LABELS_MAX)
		return TROUPE_E_CORRUPT;
	char kind[NAME_SIZE] = FEATURES_KIND;
	if (memcmp(head->kind, kind, sizeof(kind)) != 0 ||
	    le32toh(head->features) != FEATURES_COUNT)
		return TROUPE_E_UNSUPPORTED;
	return 0;
}

static int decode_rows(const uint8_t *at, struct model_file *file)
{
	for (uint32_t c = 0; c < file->classes; c++, at += NAME_SIZE) {
		if (at[0] == '\0' || at[NAME_SIZE - 1] != '\0')
			return TROUPE_E_CORRUPT;
		memcpy(file->name[c], at, NAME_SIZE);
	}
	for (uint32_t c = 0; c < file->classes; c++, at += ROW_BYTES)
		if (!get_floats(file->weight[c], at, FEATURES_COUNT))
			return TROUPE_E_CORRUPT;
	return 0;
}

static int decode(const uint8_t *bytes, size_t size, struct model_file *file)
{
	struct file_head head;
	if (size < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
		return TROUPE_E_MALFORMED;
	if (size < sizeof(head))
		return TROUPE_E_TRUNCATED;
	memcpy(&head, bytes, sizeof(head));
	int rc = check_head(&head);
	if (rc < 0)
		return rc;
	memset(file, 0, sizeof(*file));
	file->version = le64toh(head.model_version);
	file->classes = le32toh(head.classes);
	size_t expected = file_size(file->classes);
	if (size != expected)
		return size < expected ? TROUPE_E_TRUNCATED : TROUPE_E_OVERSIZED;
	uint32_t crc;
	memcpy(&crc, bytes + size - sizeof(crc), sizeof(crc));
	if (le32toh(crc) != crc32c(0, bytes, size - sizeof(crc)))
		return TROUPE_E_CORRUPT;
	return decode_rows(bytes + sizeof(head), file);
}

/* Reads at most `size` bytes; returns how many there were, or an error with its errno. */
static ssize_t read_some(int fd, uint8_t *bytes, size_t size)
{
	size_t have = 0;
	while (have < size) {
		ssize_t n = read(fd, bytes + have, size - have);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_from_errno(errno);
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int model_file_load(const char *path, struct model_file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_from_errno(errno);
	uint8_t bytes[FILE_MAX + 1]; /* one more, to see a file that is too long */
	ssize_t size = read_some(fd, bytes, sizeof(bytes));
	int saved = errno;
	close(fd);
	errno = saved;
	return size < 0 ? (int)size : decode(bytes, (size_t)size, file);
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_from_errno(errno);
		bytes += n;
		size -= (size_t)n;
	}
	return fsync(fd) < 0 ? error_from_errno(errno) : 0;
}

/* Makes a rename in the folder of `path` last. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = fsync(fd) < 0 ? error_from_errno(errno) : 0;
	close(fd);
	return rc;
}

static int write_file(const char *path, const uint8_t *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_from_errno(errno);
	int rc = write_all(fd, bytes, size);
	int saved = errno;
	if (close(fd) < 0 && rc == 0)
		return error_from_errno(errno);
	errno = saved;
	return rc;
}

int model_file_save(const char *path, const struct model_file *file)
{
	char beside[PATH_MAX];
	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return TROUPE_E_OVERSIZED;
	if (file->classes > LABELS_MAX)
		return TROUPE_E_ARGUMENT;
	uint8_t bytes[FILE_MAX];
	size_t size = encode(file, bytes);
	int rc = write_file(beside, bytes, size);
	FAIL_POINT(CHECKPOINT_WRITTEN);
	if (rc == 0 && rename(beside, path) < 0)
		rc = error_from_errno(errno);
	if (rc < 0) {
		int saved = errno;
		unlink(beside);
		errno = saved;
		return rc;
	}
	FAIL_POINT(CHECKPOINT_RENAMED);
	return sync_folder(path);
}

int label_name(const struct ledger_header *header, int32_t label, char out[NAME_SIZE])
{
	/* the supervisor writes a name before it raises the number, and never changes one */
	uint32_t n = atomic_load_explicit(&header->n_labels, memory_order_acquire);
	if (label < 0 || label >= LABELS_MAX || (uint32_t)label >= n)
		return TROUPE_E_NOT_FOUND;
	memcpy(out, header->labels[label], NAME_SIZE);
	out[NAME_SIZE - 1] = '\0';
	return 0;
}

int32_t label_find(const struct ledger_header *header, const char *name)
{
	char known[NAME_SIZE];
	for (int32_t label = 0; label_name(header, label, known) == 0; label++)
		if (strcmp(known, name) == 0)
			return label;
	return TROUPE_E_NOT_FOUND;
}

int model_file_to_bank(const struct model_file *file, const struct ledger_header *header,
		       struct model_bank *bank)
{
	memset(bank, 0, sizeof(*bank));
	bank->version = file->version ? file->version : 1;
	bank->features = FEATURES_COUNT;
	for (uint32_t c = 0; c < file->classes && c < LABELS_MAX; c++) {
		int32_t label = label_find(header, file->name[c]);
		if (label <= 0)
			continue;
		bank->label[bank->classes] = label;
		memcpy(bank->weight[bank->classes], file->weight[c], ROW_BYTES);
		bank->classes++;
	}
	return (int)bank->classes;
}

int model_file_from_bank(const struct model_bank *bank, const struct ledger_header *header,
			 struct model_file *file)
{
	if (bank->features != FEATURES_COUNT || bank->classes > LABELS_MAX)
		return TROUPE_E_UNSUPPORTED;
	memset(file, 0, sizeof(*file));
	file->version = bank->version;
	for (uint32_t c = 0; c < bank->classes; c++) {
		if (bank->label[c] <= 0 ||
		    label_name(header, bank->label[c], file->name[file->classes]) < 0)
			continue;
		memcpy(file->weight[file->classes], bank->weight[c], ROW_BYTES);
		file->classes++;
	}
	return (int)file->classes;
}
