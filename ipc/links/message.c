/* The header of a message: written, and checked to the last byte. Nothing here trusts what was
 * received. */
#include "ipc/links/message.h"

#include "ipc/base/crc32c.h"
#include "ipc/base/errors.h"
#include "ipc/links/fields.h"
#include "schemas/control.pb-c.h"
#include "schemas/frame.pb-c.h"
#include "schemas/life.pb-c.h"
#include "schemas/playback.pb-c.h"
#include "schemas/report.pb-c.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t magic[4] = {'t', 'r', 'p', '1'};

/* Where the fields of the header are. */
enum {
	AT_MAGIC = 0,
	AT_SCHEMA = 4,
	AT_KIND = 6,
	AT_LENGTH = 8,
	AT_CHECKSUM = 12,
};

struct kind_row {
	const char *name;
	const ProtobufCMessageDescriptor *type;
	uint32_t limit;
	enum message_kind kind;
};

static const struct kind_row kinds[] = {
#define MESSAGE_KIND_ROW(name_, number_, type_, limit_)                                            \
	{.name = #name_, .type = &type_##__descriptor, .limit = (limit_), .kind = MESSAGE_##name_},
	MESSAGE_KINDS(MESSAGE_KIND_ROW)
#undef MESSAGE_KIND_ROW
};

static const struct kind_row *find_kind(unsigned number)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == number)
			return &kinds[i];
	return NULL;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value);
	put16(at + 2, value >> 16);
}

static uint32_t get16(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

uint8_t *message_pack(enum message_kind kind, const ProtobufCMessage *message, size_t *size)
{
	const struct kind_row *row = find_kind(kind);
	*size = 0;
	if (!row || message->descriptor != row->type)
		return NULL;
	size_t length = protobuf_c_message_get_packed_size(message);
	if (length > row->limit)
		return NULL;
	uint8_t *bytes = malloc(MESSAGE_HEADER_SIZE + length);
	if (!bytes)
		return NULL;
	uint8_t *body = bytes + MESSAGE_HEADER_SIZE;
	protobuf_c_message_pack(message, body);
	memcpy(bytes + AT_MAGIC, magic, sizeof(magic));
	put16(bytes + AT_SCHEMA, MESSAGE_SCHEMA);
	put16(bytes + AT_KIND, kind);
	put32(bytes + AT_LENGTH, (uint32_t)length);
	put32(bytes + AT_CHECKSUM, crc32c(0, body, length));
	*size = MESSAGE_HEADER_SIZE + length;
	return bytes;
}

/* Checks everything but the body itself. */
static int check_header(const uint8_t *bytes, size_t size, const struct kind_row **row)
{
	if (size < MESSAGE_HEADER_SIZE)
		return TROUPE_E_TRUNCATED;
	if (memcmp(bytes + AT_MAGIC, magic, sizeof(magic)) != 0)
		return TROUPE_E_MALFORMED;
	if (get16(bytes + AT_SCHEMA) != MESSAGE_SCHEMA)
		return TROUPE_E_SCHEMA;
	*row = find_kind(get16(bytes + AT_KIND));
	if (!*row)
		return TROUPE_E_MALFORMED;
	uint32_t length = get32(bytes + AT_LENGTH);
	size_t there = size - MESSAGE_HEADER_SIZE;
	if (length > (*row)->limit || there > length)
		return TROUPE_E_OVERSIZED;
	if (there < length)
		return TROUPE_E_TRUNCATED;
	if (crc32c(0, bytes + MESSAGE_HEADER_SIZE, there) != get32(bytes + AT_CHECKSUM))
		return TROUPE_E_CORRUPT;
	return 0;
}

/* There is no field 0. protobuf-c knows that, but not when the 0 is written in more bytes than it
 * needs. */
static bool has_field_zero(const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		if (message->unknown_fields[i].tag == 0)
			return true;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		for (size_t k = field_count(message, field); k > 0; k--) {
			const void *part = field_value(message, field, k - 1);
			if (has_field_zero(*(const ProtobufCMessage *const *)part))
				return true;
		}
	}
	return false;
}

int message_unpack(const void *bytes, size_t size, enum message_kind *kind,
		   ProtobufCMessage **message)
{
	const struct kind_row *row;
	int rc = check_header(bytes, size, &row);
	if (rc < 0)
		return rc;
	const uint8_t *body = (const uint8_t *)bytes + MESSAGE_HEADER_SIZE;
	ProtobufCMessage *got =
		protobuf_c_message_unpack(row->type, NULL, size - MESSAGE_HEADER_SIZE, body);
	if (!got || has_field_zero(got)) {
		message_free(got);
		return TROUPE_E_MALFORMED;
	}
	*kind = row->kind;
	*message = got;
	return 0;
}

void message_free(ProtobufCMessage *message)
{
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

enum message_kind message_kind_of(const ProtobufCMessage *message)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == message->descriptor)
			return kinds[i].kind;
	return (enum message_kind)0;
}

const char *message_name(enum message_kind kind)
{
	const struct kind_row *row = find_kind(kind);
	return row ? row->name : "UNKNOWN";
}
