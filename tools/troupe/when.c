/* Reading times. The calendar is the C library's, so zones and summer time are the machine's. */
#include "tools/troupe/when.h"

#include "ipc/base/clock.h"
#include "ipc/base/errors.h"
#include "ipc/base/rows.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A day and a time of it, as far as they were said. */
struct spoken {
	struct tm tm;
	int64_t fraction; /* ns */
	bool day, time, zone;
	int64_t east; /* s east of Greenwich, with a zone */
};

/* ---- the parts ---- */

/* Takes a number of `digits` digits within [min, max]. */
static bool take_number(const char **at, int digits, int min, int max, int *number)
{
	int value = 0;
	for (int i = 0; i < digits; i++) {
		if (!isdigit((unsigned char)(*at)[i]))
			return false;
		value = value * 10 + (*at)[i] - '0';
	}
	if (value < min || value > max)
		return false;
	*at += digits;
	*number = value;
	return true;
}

static bool take_word(const char **at, const char *word)
{
	size_t length = strlen(word);
	if (strncmp(*at, word, length) != 0 || isalnum((unsigned char)(*at)[length]))
		return false;
	*at += length;
	return true;
}

static bool take_char(const char **at, char wanted)
{
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

/* ".5" and so on; digits behind the ninth are passed over. */
static bool take_fraction(const char **at, int64_t *ns)
{
	int64_t unit = NS_PER_S;
	*ns = 0;
	if (!take_char(at, '.'))
		return true;
	if (!isdigit((unsigned char)**at))
		return false;
	for (; isdigit((unsigned char)**at); (*at)++) {
		unit /= 10;
		*ns += unit * (**at - '0');
	}
	return true;
}

static void day_of(int64_t wall, int days_before, struct spoken *spoken)
{
	time_t seconds = (time_t)(wall / NS_PER_S);
	struct tm tm;
	localtime_r(&seconds, &tm);
	spoken->tm.tm_year = tm.tm_year;
	spoken->tm.tm_mon = tm.tm_mon;
	spoken->tm.tm_mday = tm.tm_mday - days_before; /* mktime knows what day 0 is */
}

static bool take_day(const char **at, int64_t now, struct spoken *spoken)
{
	int year, month, day;
	bool today = take_word(at, "today"), yesterday = !today && take_word(at, "yesterday");
	if (today || yesterday) {
		day_of(now, yesterday, spoken);
		return spoken->day = true;
	}
	if (!isdigit((unsigned char)(*at)[0]) || !strchr(*at, '-') || strcspn(*at, "-") != 4)
		return true; /* no day is said */
	if (!take_number(at, 4, 1970, 2200, &year) || !take_char(at, '-') ||
	    !take_number(at, 2, 1, 12, &month) || !take_char(at, '-') ||
	    !take_number(at, 2, 1, 31, &day))
		return false;
	spoken->tm.tm_year = year - 1900;
	spoken->tm.tm_mon = month - 1;
	spoken->tm.tm_mday = day;
	return spoken->day = true;
}

static bool take_time(const char **at, struct spoken *spoken)
{
	struct tm *tm = &spoken->tm;
	if (spoken->day && !take_char(at, 'T'))
		while (take_char(at, ' '))
			;
	if (!isdigit((unsigned char)**at))
		return true;
	if (!take_number(at, 2, 0, 23, &tm->tm_hour) || !take_char(at, ':') ||
	    !take_number(at, 2, 0, 59, &tm->tm_min))
		return false;
	spoken->time = true;
	if (!take_char(at, ':'))
		return true;
	return take_number(at, 2, 0, 60, &tm->tm_sec) && take_fraction(at, &spoken->fraction);
}

/* "Z", "+01:00", "+0100", "+01" behind a time. */
static bool take_zone(const char **at, struct spoken *spoken)
{
	int hours, minutes = 0;
	if (!spoken->time || !**at)
		return true;
	spoken->zone = true;
	if (take_char(at, 'Z'))
		return true;
	bool west = **at == '-';
	if (!take_char(at, '+') && !take_char(at, '-'))
		return false;
	if (!take_number(at, 2, 0, 15, &hours))
		return false;
	take_char(at, ':');
	if (**at && !take_number(at, 2, 0, 59, &minutes))
		return false;
	spoken->east = (west ? -1 : 1) * (INT64_C(3600) * hours + INT64_C(60) * minutes);
	return true;
}

/* ---- what they mean ---- */

static bool same_time(const struct tm *a, const struct tm *b)
{
	return a->tm_mday == b->tm_mday && a->tm_hour == b->tm_hour && a->tm_min == b->tm_min;
}

/* A local time happens once, or twice where the clock was put back, or (put forward) never: then
 * both readings of it count. */
static void mean_local(const struct spoken *spoken, struct when *when)
{
	struct tm wanted = spoken->tm;
	wanted.tm_isdst = -1;
	time_t usual = mktime(&wanted);
	*when = (struct when){usual, usual};
	for (int summer = 0; summer < 2; summer++) {
		struct tm other = spoken->tm, shown;
		other.tm_isdst = summer;
		time_t seconds = mktime(&other);
		if (!localtime_r(&seconds, &shown) || !same_time(&shown, &wanted))
			continue;
		when->first = seconds < when->first ? seconds : when->first;
		when->last = seconds > when->last ? seconds : when->last;
	}
}

static void mean(struct spoken *spoken, struct when *when)
{
	if (spoken->zone) {
		when->first = when->last = timegm(&spoken->tm) - spoken->east;
	} else {
		mean_local(spoken, when);
	}
	if (!spoken->time) { /* all of the day */
		struct when next;
		spoken->tm.tm_mday++;
		mean_local(spoken, &next);
		when->last = next.first;
	}
	when->first = when->first * NS_PER_S + spoken->fraction;
	when->last = when->last * NS_PER_S + spoken->fraction;
}

/* The 31st of a month that has none would be the 1st of the next one. Day 0, yesterday's on the
 * first, is right. */
static bool day_exists(const struct tm *tm)
{
	struct tm checked = *tm;
	return timegm(&checked) != -1 && (tm->tm_mday < 1 || checked.tm_mon == tm->tm_mon);
}

static bool parse_calendar(const char *text, int64_t now, struct when *when)
{
	struct spoken spoken = {.tm = {.tm_isdst = -1}};
	if (!take_day(&text, now, &spoken) || !take_time(&text, &spoken) ||
	    !take_zone(&text, &spoken) || *text || !(spoken.day || spoken.time))
		return false;
	if (!spoken.day)
		day_of(now, 0, &spoken);
	if (!day_exists(&spoken.tm))
		return false;
	mean(&spoken, when);
	return true;
}

static bool parse_ago(const char *text, int64_t now, struct when *when)
{
	static const struct row row = {.name = "ago", .type = ROW_DURATION, .fallback = ""};
	int64_t ago;
	char why[128];
	if (*text != '-' || row_set(&row, &ago, text + 1, why, sizeof why) < 0)
		return false;
	when->first = when->last = now - ago;
	return true;
}

static bool parse_unix(const char *text, struct when *when)
{
	const char *at = text + 1;
	char *end;
	int64_t fraction;
	if (*text != '@' || !isdigit((unsigned char)*at))
		return false;
	long long seconds = strtoll(at, &end, 10);
	at = end;
	if (seconds > INT64_MAX / NS_PER_S - 1 || !take_fraction(&at, &fraction) || *at)
		return false;
	when->first = when->last = seconds * NS_PER_S + fraction;
	return true;
}

int when_parse(const char *text, int64_t now, struct when *when, char *why, size_t why_size)
{
	if (strcmp(text, "now") == 0) {
		*when = (struct when){now, now};
		return 0;
	}
	if (parse_ago(text, now, when) || parse_unix(text, when) || parse_calendar(text, now, when))
		return 0;
	snprintf(why, why_size,
		 "'%s' is no time (valid: 10:00, 10:00:05.5, yesterday 22:00, 2026-11-21 10:00, "
		 "2026-11-21T09:00:00Z, -5min, @SECONDS, now)",
		 text);
	return TROUPE_E_ARGUMENT;
}

char *when_format(int64_t wall, char *out, size_t size)
{
	time_t seconds = (time_t)(wall / NS_PER_S);
	char text[32] = "?";
	struct tm tm;
	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(out, size, "%s.%03d", text, (int)(wall / NS_PER_MS % 1000));
	return out;
}
