/* landlock(7). Its constants are written down here: the header of the kernel that this was built
 * for may know fewer of them than the kernel that it runs on. */
#include "supervisor/ruleset.h"

#include "ipc/base/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CREATE_VERSION 1U
#define RULE_BENEATH   1

enum access {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_CHAR = 1 << 6,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	MAKE_FIFO = 1 << 10,
	MAKE_BLOCK = 1 << 11,
	MAKE_SYM = 1 << 12,
	REFER = 1 << 13,     /* from version 2 on */
	TRUNCATE = 1 << 14,  /* 3 */
	IOCTL_DEV = 1 << 15, /* 5 */
	/* What can be done with a file; all else is for folders. */
	OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV,
};

enum { BIND_TCP = 1, CONNECT_TCP = 2 };	    /* 4 */
enum { ABSTRACT_SOCKETS = 1, SIGNALS = 2 }; /* 6 */

/* The kernel's struct landlock_ruleset_attr, struct landlock_path_beneath_attr. */
struct attributes {
	uint64_t files, ports, scoped;
};

struct beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

/* What each kind of rule allows. */
static const struct {
	enum rule_kind kind;
	uint64_t access;
} kinds[] = {
	{RULE_READ, READ_FILE | READ_DIR},
	{RULE_WRITE,
	 WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER},
	{RULE_RUN, EXECUTE},
	{RULE_DEVICE, READ_FILE | WRITE_FILE | IOCTL_DEV},
	{RULE_SOCKETS, MAKE_SOCK},
};

int ruleset_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	return version < 0 ? 0 : (int)version;
}

const char *ruleset_lacks(int version)
{
	static const char *const lacks[] = {
		"files, TCP connections and signals to others (it has no Landlock)",
		"TCP connections, truncating files, and signals to others",
		"TCP connections, truncating files, and signals to others",
		"TCP connections and signals to others",
		"signals to others and controlling devices",
		"signals to others",
	};
	return (size_t)version < sizeof(lacks) / sizeof(lacks[0]) ? lacks[version] : "";
}

static uint64_t known_files(int version)
{
	uint64_t known = (1 << 13) - 1;
	known |= version >= 2 ? REFER : 0;
	known |= version >= 3 ? TRUNCATE : 0;
	known |= version >= 5 ? IOCTL_DEV : 0;
	return known;
}

static uint64_t access_of(const struct rule *rule)
{
	uint64_t access = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		access |= rule->kinds & kinds[i].kind ? kinds[i].access : 0;
	return access;
}

/* What has gone since the rules were made has no rule. */
static int add(int ruleset, const struct rule *rule, uint64_t known)
{
	struct stat st;
	int fd = open(rule->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_from_errno(errno);
	struct beneath beneath = {.allowed = access_of(rule) & known, .parent = fd};
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		beneath.allowed &= OF_FILES;
	long rc = syscall(SYS_landlock_add_rule, ruleset, RULE_BENEATH, &beneath, 0);
	int why = rc < 0 ? error_from_errno(errno) : 0;
	close(fd);
	return why;
}

int ruleset_create(const struct rules *rules, int version)
{
	uint64_t known = known_files(version);
	struct attributes attributes = {
		.files = known,
		.ports = BIND_TCP | (rules->network ? 0 : CONNECT_TCP),
		.scoped = ABSTRACT_SOCKETS | SIGNALS,
	};
	size_t size = version >= 6   ? sizeof(attributes)
		      : version >= 4 ? offsetof(struct attributes, scoped)
				     : offsetof(struct attributes, ports);
	if (version <= 0)
		return TROUPE_E_UNSUPPORTED;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
	if (ruleset < 0)
		return error_from_errno(errno);
	for (size_t i = 0; i < rules->count; i++) {
		int rc = add(ruleset, &rules->all[i], known);
		if (rc < 0) {
			close(ruleset);
			return rc;
		}
	}
	return ruleset;
}
