/* Every text of a message, by its descriptor. */
#include "tools/troupe/reply_tame.h"

#include "ipc/base/utf8.h"
#include "ipc/links/fields.h"

static void tame_value(const ProtobufCFieldDescriptor *field, const void *value)
{
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		char *const *text = value;
		if (*text)
			utf8_tame(*text);
	} else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
		ProtobufCMessage *const *message = value;
		reply_tame(*message);
	}
}

void reply_tame(ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		for (size_t k = 0; k < field_count(message, field); k++)
			tame_value(field, field_value(message, field, k));
	}
}
