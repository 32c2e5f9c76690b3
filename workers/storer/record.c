/* Encoding and decoding of records: one table of fields, walked in both directions. */
#include "workers/storer/record.h"

#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define RECORD_MAGIC 0x43455254u /* "TREC" */
#define CRC_SIZE     4u
#define ALIGNMENT    8u
#define DTS_AT	     240u
#define LACKS_AT     248u
#define RESERVED_AT  252u

enum field_kind { FIELD_U32, FIELD_U64, FIELD_TEXT };

struct field {
	uint32_t at; /* within the encoded header */
	enum field_kind kind;
	size_t member; /* within struct record */
};

#define FIELD(at_, kind_, member_)                                                                 \
	{                                                                                          \
		.at = (at_), .kind = (kind_), .member = offsetof(struct record, member_)           \
	}

/* Floats travel as the 32 bits they are. */
static const struct field fields[] = {
	FIELD(12, FIELD_U32, coded_bytes),
	FIELD(16, FIELD_U64, run),
	FIELD(24, FIELD_TEXT, stream),
	FIELD(56, FIELD_U64, seq),
	FIELD(64, FIELD_U64, ordinal),
	FIELD(72, FIELD_U64, pts),
	FIELD(80, FIELD_U64, captured),
	FIELD(88, FIELD_U64, captured_wall),
	FIELD(96, FIELD_U64, published),
	FIELD(104, FIELD_U64, finished),
	FIELD(112, FIELD_U32, width),
	FIELD(116, FIELD_U32, height),
	FIELD(120, FIELD_TEXT, label),
	FIELD(152, FIELD_TEXT, prediction),
	FIELD(184, FIELD_U64, model_version),
	FIELD(192, FIELD_U32, probability),
	FIELD(196, FIELD_U32, motion),
	FIELD(200, FIELD_U32, drops_before[DROP_NO_SLOT]),
	FIELD(204, FIELD_U32, drops_before[DROP_DEVICE]),
	FIELD(208, FIELD_U32, drops_before[DROP_DAMAGED]),
	FIELD(212, FIELD_U32, drops_before[DROP_SIZE]),
	FIELD(216, FIELD_U32, marks),
	FIELD(220, FIELD_U32, coding),
	FIELD(224, FIELD_U64, source_index),
	FIELD(232, FIELD_U64, claimed),
};

static_assert(N_DROP_REASONS == 4, "the record has room for four reasons");
static_assert(NAME_SIZE == 32, "names are part of the record");
static_assert(sizeof(float) == 4, "floats are IEEE 754 singles");

static const size_t n_fields = sizeof(fields) / sizeof(fields[0]);

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put_field(const struct field *field, const struct record *record, uint8_t *header)
{
	const uint8_t *member = (const uint8_t *)record + field->member;
	uint8_t *at = header + field->at;
	uint32_t u32;
	uint64_t u64;

	switch (field->kind) {
	case FIELD_U32:
		memcpy(&u32, member, sizeof(u32));
		put_u32(at, u32);
		break;
	case FIELD_U64:
		memcpy(&u64, member, sizeof(u64));
		u64 = htole64(u64);
		memcpy(at, &u64, sizeof(u64));
		break;
	case FIELD_TEXT:
		memcpy(at, member, strnlen((const char *)member, NAME_SIZE - 1));
		break;
	}
}

/* Nothing in a record is free: what is not used is zero, so that each record has one encoding only.
 */
static bool is_zero(const uint8_t *data, uint32_t from, uint32_t to)
{
	while (from < to)
		if (data[from++] != 0)
			return false;
	return true;
}

static int get_field(const struct field *field, struct record *record, const uint8_t *header)
{
	uint8_t *member = (uint8_t *)record + field->member;
	const uint8_t *at = header + field->at;
	uint32_t u32;
	uint64_t u64;

	switch (field->kind) {
	case FIELD_U32:
		u32 = get_u32(at);
		memcpy(member, &u32, sizeof(u32));
		break;
	case FIELD_U64:
		memcpy(&u64, at, sizeof(u64));
		u64 = le64toh(u64);
		memcpy(member, &u64, sizeof(u64));
		break;
	case FIELD_TEXT:
		if (at[NAME_SIZE - 1] != 0 ||
		    !is_zero(at, (uint32_t)strlen((const char *)at), NAME_SIZE))
			return TROUPE_E_CORRUPT;
		memcpy(member, at, NAME_SIZE);
		break;
	}
	return 0;
}

uint32_t record_header(uint32_t coding)
{
	return coding == CODING_JPEG ? RECORD_HEADER : RECORD_HEADER_MAX;
}

uint32_t record_length(uint32_t coding, uint32_t coded_bytes)
{
	uint64_t length = (uint64_t)record_header(coding) + coded_bytes + CRC_SIZE;

	length = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	return length <= RECORD_MAX ? (uint32_t)length : 0;
}

/* What only the longer header has. */
static void put_longer(uint8_t *header, const struct record *record)
{
	uint64_t dts = htole64((uint64_t)record->dts);

	memcpy(header + DTS_AT, &dts, sizeof(dts));
	put_u32(header + LACKS_AT, record->lacks);
}

static void get_longer(const uint8_t *header, struct record *record)
{
	uint64_t dts;

	memcpy(&dts, header + DTS_AT, sizeof(dts));
	record->dts = (int64_t)le64toh(dts);
	record->lacks = get_u32(header + LACKS_AT);
}

void record_encode(const struct record *record, const uint8_t *coded, uint8_t *out)
{
	uint32_t header = record_header(record->coding);
	uint32_t length = record_length(record->coding, record->coded_bytes);
	uint32_t crc_at = header + record->coded_bytes;

	memset(out, 0, header);
	put_u32(out, RECORD_MAGIC);
	put_u32(out + 4, header);
	put_u32(out + 8, length);
	for (size_t i = 0; i < n_fields; i++)
		put_field(&fields[i], record, out);
	if (header > RECORD_HEADER)
		put_longer(out, record);
	if (record->coded_bytes > 0)
		memcpy(out + header, coded, record->coded_bytes);
	put_u32(out + crc_at, crc32c(0, out, crc_at));
	memset(out + crc_at + CRC_SIZE, 0, length - crc_at - CRC_SIZE);
}

int record_decode_header(const uint8_t *data, struct record *record, uint32_t *length)
{
	if (get_u32(data) != RECORD_MAGIC)
		return TROUPE_E_CORRUPT;
	record->dts = 0;
	record->lacks = 0;
	for (size_t i = 0; i < n_fields; i++)
		if (get_field(&fields[i], record, data) < 0)
			return TROUPE_E_CORRUPT;
	if ((record->marks & ~(uint32_t)(MARK_BYPASSED | MARK_QUARANTINED)) != 0 ||
	    record->coding >= N_CODINGS || get_u32(data + 4) != record_header(record->coding))
		return TROUPE_E_CORRUPT;
	*length = get_u32(data + 8);
	if (*length == 0 || *length != record_length(record->coding, record->coded_bytes))
		return TROUPE_E_CORRUPT;
	return 0;
}

int record_decode(const uint8_t *data, size_t size, struct record *record, const uint8_t **coded)
{
	uint32_t length, header, crc_at;

	if (size < RECORD_HEADER)
		return TROUPE_E_TRUNCATED;
	if (record_decode_header(data, record, &length) < 0)
		return TROUPE_E_CORRUPT;
	if (size < length)
		return TROUPE_E_TRUNCATED;
	header = record_header(record->coding);
	crc_at = header + record->coded_bytes;
	if (crc32c(0, data, crc_at) != get_u32(data + crc_at) ||
	    !is_zero(data, crc_at + CRC_SIZE, length))
		return TROUPE_E_CORRUPT;
	if (header > RECORD_HEADER) {
		get_longer(data, record);
		if (!is_zero(data, RESERVED_AT, header))
			return TROUPE_E_CORRUPT;
	}
	if (coded != NULL)
		*coded = data + header;
	return 0;
}
