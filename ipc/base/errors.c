/* Names and texts of the error list. */
#include "ipc/base/errors.h"

#include <errno.h>
#include <stddef.h>

static const struct {
	int code;
	const char *name;
	const char *text;
} errors[] = {
#define TROUPE_ERROR_ROW(name, code, text) {(code), #name, (text)},
	TROUPE_ERRORS(TROUPE_ERROR_ROW)
#undef TROUPE_ERROR_ROW
};

static const size_t n_errors = sizeof(errors) / sizeof(errors[0]);

const char *error_text(int code)
{
	for (size_t i = 0; i < n_errors; i++)
		if (errors[i].code == code)
			return errors[i].text;
	return "unknown error";
}

const char *error_name(int code)
{
	for (size_t i = 0; i < n_errors; i++)
		if (errors[i].code == code)
			return errors[i].name;
	return "UNKNOWN";
}

int error_from_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM:
		return TROUPE_E_MEMORY;
	case EINVAL:
		return TROUPE_E_ARGUMENT;
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return TROUPE_E_NOT_FOUND;
	case EEXIST:
		return TROUPE_E_EXISTS;
	case EBUSY:
	case EADDRINUSE:
		return TROUPE_E_BUSY;
	case EAGAIN:
		return TROUPE_E_AGAIN;
	case ETIMEDOUT:
		return TROUPE_E_TIMEOUT;
	case EPIPE:
	case ECONNRESET:
		return TROUPE_E_CLOSED;
	case ENOSPC:
	case EFBIG:
	case EDQUOT:
		return TROUPE_E_NO_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return TROUPE_E_DENIED;
	case EIO:
		return TROUPE_E_IO;
	default:
		return TROUPE_E_SYSTEM;
	}
}
