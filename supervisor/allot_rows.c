/* Rows of a section that say what its worker is given, each with what is right for it on this
 * machine and for this supervisor. */
#include "supervisor/allot.h"

#include "ipc/base/errors.h"
#include "ipc/worker/contract.h"
#include "supervisor/settings.h"

#include <ctype.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define MEMORY_LEAST  (32 << 20)
#define FILES_LEAST   256 /* the contract's descriptors, and as many again */
#define OOM_WORST     1000
#define CAPABILITY(n) (1U << (n))

/* ---- what this supervisor may ---- */

static bool has_right(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[capability / 32].effective & CAPABILITY(capability % 32));
}

static bool may_renice_to(int nice)
{
	struct rlimit limit;
	if (nice >= getpriority(PRIO_PROCESS, 0) || has_right(CAP_SYS_NICE))
		return true;
	return getrlimit(RLIMIT_NICE, &limit) == 0 && 20 - nice <= (int64_t)limit.rlim_cur;
}

int allot_nice(int64_t more)
{
	int64_t nice = getpriority(PRIO_PROCESS, 0) + more;
	return (int)(nice < -20 ? -20 : nice > 19 ? 19 : nice);
}

static int check_nice(const char *text, char *why, size_t size)
{
	int nice = allot_nice(strtol(text, NULL, 10));
	if (may_renice_to(nice))
		return 0;
	snprintf(why, size,
		 " is not for this user: a niceness below our own (%d) needs root, CAP_SYS_NICE or "
		 "`ulimit -e`",
		 getpriority(PRIO_PROCESS, 0));
	return TROUPE_E_CONFIG;
}

/* ---- CPUs ---- */

bool allot_cpus(const char *text, uint64_t cpus[ALLOTMENT_CPUS / 64])
{
	memset(cpus, 0, ALLOTMENT_CPUS / 8);
	for (;;) {
		char *end;
		if (!isdigit((unsigned char)*text))
			return false;
		unsigned long from = strtoul(text, &end, 10), to = from;
		if (*end == '-' && isdigit((unsigned char)end[1]))
			to = strtoul(end + 1, &end, 10);
		if (to < from || to >= ALLOTMENT_CPUS)
			return false;
		for (unsigned long cpu = from; cpu <= to; cpu++)
			cpus[cpu / 64] |= (uint64_t)1 << (cpu % 64);
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		text = end + 1;
	}
}

static void cpus_online(char *out, size_t size)
{
	FILE *in = fopen("/sys/devices/system/cpu/online", "re");
	if (!in || !fgets(out, (int)size, in))
		snprintf(out, size, "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	out[strcspn(out, "\n")] = '\0';
	if (in)
		fclose(in);
}

static int check_cpus(const char *text, char *why, size_t size)
{
	uint64_t wanted[ALLOTMENT_CPUS / 64], there[ALLOTMENT_CPUS / 64];
	char online[128];
	if (!*text)
		return 0;
	if (!allot_cpus(text, wanted)) {
		snprintf(why, size, " is no list of CPUs like 0,2-3");
		return TROUPE_E_CONFIG;
	}
	cpus_online(online, sizeof(online));
	if (!allot_cpus(online, there))
		return 0;
	for (size_t i = 0; i < COUNT(wanted); i++) {
		if (wanted[i] & ~there[i]) {
			snprintf(why, size, " has CPUs that this machine has not, valid: %s",
				 online);
			return TROUPE_E_CONFIG;
		}
	}
	return 0;
}

/* ---- limits ---- */

static int check_hard(enum __rlimit_resource resource, uint64_t value, char *why, size_t size)
{
	struct rlimit limit;
	if (getrlimit(resource, &limit) < 0 || value <= limit.rlim_max ||
	    has_right(CAP_SYS_RESOURCE))
		return 0;
	snprintf(why, size, " is more than this user may have (%llu), see `ulimit -H`",
		 (unsigned long long)limit.rlim_max);
	return TROUPE_E_CONFIG;
}

static int64_t as_size(const char *text)
{
	static const struct row size_row = {.name = "size", .type = ROW_SIZE};
	char ignored[128];
	int64_t value = 0;
	return row_set(&size_row, &value, text, ignored, sizeof(ignored)) < 0 ? -1 : value;
}

static int check_memory(const char *text, char *why, size_t size)
{
	int64_t value = as_size(text);
	if (value <= 0)
		return 0; /* the row's type says it */
	if (value < MEMORY_LEAST) {
		snprintf(why, size, " is too little for any worker, valid: 32MiB and more, or 0");
		return TROUPE_E_CONFIG;
	}
	return check_hard(RLIMIT_DATA, (uint64_t)value, why, size);
}

static int check_files(const char *text, char *why, size_t size)
{
	long long value = strtoll(text, NULL, 10);
	if (value <= 0)
		return 0;
	if (value < FILES_LEAST) {
		snprintf(why, size, " is too few for any worker, valid: %d and more, or 0",
			 FILES_LEAST);
		return TROUPE_E_CONFIG;
	}
	return check_hard(RLIMIT_NOFILE, (uint64_t)value, why, size);
}

bool allot_core(const char *text, uint64_t *value)
{
	if (strcmp(text, "unlimited") == 0) {
		*value = RLIM_INFINITY;
		return true;
	}
	int64_t bytes = as_size(text);
	*value = (uint64_t)bytes;
	return bytes >= 0;
}

static int check_core(const char *text, char *why, size_t size)
{
	uint64_t value;
	if (!*text)
		return 0;
	if (!allot_core(text, &value)) {
		snprintf(why, size, " is neither a size like 64MB nor 0 nor unlimited");
		return TROUPE_E_CONFIG;
	}
	return check_hard(RLIMIT_CORE, value, why, size);
}

/* ---- user ---- */

static int find_user(const char *name, uid_t *uid, gid_t *gid)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	bool numeric = *name && *end == '\0' && number < UINT32_MAX;
	const struct passwd *entry = numeric ? getpwuid((uid_t)number) : getpwnam(name);
	if (!entry && !numeric)
		return TROUPE_E_NOT_FOUND;
	*uid = entry ? entry->pw_uid : (uid_t)number;
	*gid = entry ? entry->pw_gid : (gid_t)number;
	return 0;
}

static int find_group(const char *name, gid_t *gid)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	const struct group *entry = getgrnam(name);
	bool numeric = *name && *end == '\0' && number < UINT32_MAX;
	if (!entry && !numeric)
		return TROUPE_E_NOT_FOUND;
	*gid = entry ? entry->gr_gid : (gid_t)number;
	return 0;
}

int allot_user(const char *text, uid_t *uid, gid_t *gid)
{
	char name[64];
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	if (length == 0 || length >= sizeof(name))
		return TROUPE_E_NOT_FOUND;
	memcpy(name, text, length);
	name[length] = '\0';
	int rc = find_user(name, uid, gid);
	return rc == 0 && colon ? find_group(colon + 1, gid) : rc;
}

static int check_user(const char *text, char *why, size_t size)
{
	uid_t uid;
	gid_t gid;
	if (!*text)
		return 0;
	if (allot_user(text, &uid, &gid) < 0) {
		snprintf(why, size, ": no such user or group, wanted NAME, NUMBER or NAME:GROUP");
		return TROUPE_E_CONFIG;
	}
	if ((uid == geteuid() && gid == getegid()) ||
	    (has_right(CAP_SETUID) && has_right(CAP_SETGID)))
		return 0;
	snprintf(why, size, " is another user: only root can start a worker as that");
	return TROUPE_E_CONFIG;
}

/* ---- environment ---- */

bool allot_variable(const char **at, char *out, size_t size)
{
	*at += strspn(*at, " ");
	size_t length = strcspn(*at, " ");
	if (length == 0)
		return false;
	snprintf(out, size, "%.*s", (int)length, *at);
	*at += length;
	return true;
}

static bool is_variable(const char *entry)
{
	size_t name = strcspn(entry, "=");
	if (entry[name] != '=' || name == 0 || isdigit((unsigned char)*entry))
		return false;
	for (size_t i = 0; i < name; i++)
		if (!isalnum((unsigned char)entry[i]) && entry[i] != '_')
			return false;
	return true;
}

static int check_environment(const char *text, char *why, size_t size)
{
	char entry[ENVIRONMENT_SIZE];
	while (allot_variable(&text, entry, sizeof(entry))) {
		if (!is_variable(entry)) {
			snprintf(why, size, ": wanted NAME=VALUE NAME=VALUE, without blanks in it");
			return TROUPE_E_CONFIG;
		}
		if (strncmp(entry, "TROUPE_", strlen("TROUPE_")) == 0) {
			snprintf(why, size, ": TROUPE_… are the supervisor's to set");
			return TROUPE_E_CONFIG;
		}
	}
	return 0;
}

/* ---- the out-of-memory killer ---- */

static int check_oom(const char *text, char *why, size_t size)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (!*text)
		return 0;
	if (*end || value < -OOM_WORST || value > OOM_WORST) {
		snprintf(why, size, " is no whole number from -1000 to 1000");
		return TROUPE_E_CONFIG;
	}
	if (value < allot_oom_base() && !has_right(CAP_SYS_RESOURCE)) {
		snprintf(why, size, " is below our own (%d), which only root may give",
			 allot_oom_base());
		return TROUPE_E_CONFIG;
	}
	return 0;
}

/* ---- the rows ---- */

static const struct row rows[] = {
	{.name = "nice",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, nice),
	 .min = -20,
	 .max = 19,
	 .fallback = "0",
	 .check = check_nice,
	 .change = ROW_LIVE,
	 .help = "Added to the worker's niceness: 19 runs only when nobody else wants to; below 0 "
		 "needs the right."},
	{.name = "cpus",
	 .type = ROW_TEXT,
	 ROW_AT(struct section_settings, cpus),
	 .fallback = "",
	 .check = check_cpus,
	 .change = ROW_LIVE,
	 .help = "The CPUs that it may run on, e.g. \"0,2-3\"; empty: all."},
	{.name = "limit_memory",
	 .type = ROW_SIZE,
	 ROW_AT(struct section_settings, limit_memory),
	 .fallback = "0",
	 .check = check_memory,
	 .change = ROW_LIVE,
	 .help = "Its own memory (RLIMIT_DATA), e.g. 500MB, without the slots, which all share; 0: "
		 "no limit but the supervisor's."},
	{.name = "limit_files",
	 .type = ROW_INT,
	 ROW_AT(struct section_settings, limit_files),
	 .fallback = "0",
	 .check = check_files,
	 .change = ROW_LIVE,
	 .help = "How many descriptors it may have open; 0: as many as the supervisor."},
	{.name = "limit_core",
	 .type = ROW_TEXT,
	 ROW_AT(struct section_settings, limit_core),
	 .fallback = "",
	 .check = check_core,
	 .change = ROW_LIVE,
	 .help = "The size of a core file: \"0\" for none, \"64MB\", \"unlimited\"; empty: as the "
		 "supervisor."},
	{.name = "user",
	 .type = ROW_TEXT,
	 ROW_AT(struct section_settings, user),
	 .fallback = "",
	 .check = check_user,
	 .help = "The user that it runs as: NAME, NUMBER or NAME:GROUP; only root can say so. All "
		 "such workers have one group, which the pipeline's folders are opened to."},
	{.name = "environment",
	 .type = ROW_TEXT,
	 ROW_AT(struct section_settings, environment),
	 .fallback = "",
	 .check = check_environment,
	 .help = "Variables on top of the supervisor's own: \"A=1 B=2\"."},
	{.name = "oom_score_adj",
	 .type = ROW_TEXT,
	 ROW_AT(struct section_settings, oom_score_adj),
	 .fallback = "",
	 .check = check_oom,
	 .change = ROW_LIVE,
	 .help = "How soon the kernel takes it when memory runs out, -1000 to 1000; empty: the "
		 "storer last, before it capture, the processors, and the others."},
};

const struct row_table allot_rows = {
	.rows = rows, .count = COUNT(rows), .config_size = sizeof(struct section_settings)};
