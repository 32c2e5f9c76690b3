/* The priority of trainers' programs. */
#ifndef TROUPE_WORKERS_TRAINER_STEP_BACK_H
#define TROUPE_WORKERS_TRAINER_STEP_BACK_H

/* Whoever has frames on the way goes first. For `main` and not for `open`: a process that is more
 * than a trainer (the sequential reference) keeps its priority. Training is not wrong when it is
 * not granted. */
void step_back(void);

#endif
