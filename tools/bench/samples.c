/* Collecting measured values and finding their quantiles. */
#include "tools/bench/samples.h"

#include "ipc/base/errors.h"

#include <math.h>
#include <stdlib.h>

int samples_add(struct samples *samples, double value)
{
	if (samples->n == samples->room) {
		size_t room = samples->room ? samples->room * 2 : 256;
		double *values = reallocarray(samples->values, room, sizeof(*values));
		if (!values)
			return TROUPE_E_MEMORY;
		samples->values = values;
		samples->room = room;
	}
	samples->values[samples->n++] = value;
	return 0;
}

void samples_finish(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){0};
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;
	return (*left > *right) - (*left < *right);
}

double samples_quantile(struct samples *samples, double share)
{
	if (samples->n == 0)
		return NAN;
	qsort(samples->values, samples->n, sizeof(*samples->values), compare);
	double at = share * (double)(samples->n - 1);
	size_t below = (size_t)at;
	size_t above = below + 1 < samples->n ? below + 1 : below;
	double part = at - (double)below;
	return samples->values[below] * (1 - part) + samples->values[above] * part;
}
