/* What a supervisor answers is in part what strangers have said: last words, reports, names. */
#ifndef TROUPE_TOOLS_TROUPE_REPLY_TAME_H
#define TROUPE_TOOLS_TROUPE_REPLY_TAME_H

#include <protobuf-c/protobuf-c.h>

/* Tames each text in it (see ipc/base/utf8.h), so that whoever shows it need not think of that. */
void reply_tame(ProtobufCMessage *message);

#endif
