/* Any protobuf message as JSON. */
#include "ipc/links/json.h"

#include "ipc/base/utf8.h"
#include "ipc/links/fields.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text)
{
	json_t *json = json_string(text);
	if (json)
		return json;
	char *copy = strdup(text);
	if (!copy)
		return NULL;
	uint8_t *at = (uint8_t *)copy;
	for (size_t left = strlen(copy), n; left > 0; left -= n, at += n) {
		n = utf8_length(at, left);
		if (n == 0) {
			*at = '?';
			n = 1;
		}
	}
	json = json_string(copy);
	free(copy);
	return json;
}

static json_t *bytes_json(const ProtobufCBinaryData *bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *hex = malloc(bytes->len * 2 + 1);
	if (!hex)
		return NULL;
	for (size_t i = 0; i < bytes->len; i++) {
		hex[2 * i] = digits[bytes->data[i] >> 4];
		hex[2 * i + 1] = digits[bytes->data[i] & 15];
	}
	json_t *json = json_stringn(hex, bytes->len * 2);
	free(hex);
	return json;
}

/* JSON has no infinity and no NaN. */
static json_t *real_json(double value)
{
	json_t *json = json_real(value);
	return json ? json : json_null();
}

static json_t *integer_json(const ProtobufCFieldDescriptor *field, const void *value)
{
	int64_t integer = field_integer(field, value);
	bool is_unsigned =
		field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_FIXED64;
	/* Jansson's integers have a sign: rather rounded than negative. */
	return is_unsigned && integer < 0 ? json_real((double)(uint64_t)integer)
					  : json_integer(integer);
}

static json_t *enum_json(const ProtobufCFieldDescriptor *field, const void *value)
{
	const char *name = field_enum_name(field, value);
	return name ? json_string(name) : json_integer(*(const int32_t *)value);
}

static json_t *value_json(const ProtobufCFieldDescriptor *field, const void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)value);
	case PROTOBUF_C_TYPE_FLOAT:
		return real_json((double)*(const float *)value);
	case PROTOBUF_C_TYPE_DOUBLE:
		return real_json(*(const double *)value);
	case PROTOBUF_C_TYPE_STRING:
		return json_text(field_text(value));
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_json(value);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_json(field, value);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_json(*(const ProtobufCMessage *const *)value);
	default:
		return integer_json(field, value);
	}
}

static json_t *array_json(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	json_t *array = json_array();
	for (size_t i = 0; array && i < field_count(message, field); i++) {
		if (json_array_append_new(array,
					  value_json(field, field_value(message, field, i))) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *message_json(const ProtobufCMessage *message)
{
	json_t *object = json_object();
	for (unsigned i = 0; object && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
		if (!repeated && field_count(message, field) == 0)
			continue;
		json_t *value = repeated ? array_json(message, field)
					 : value_json(field, field_value(message, field, 0));
		if (json_object_set_new(object, field->name, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}
