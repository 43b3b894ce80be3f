/* SlotFacts.take, for rows that do nothing else. */
#include "slot_facts.h"

typedef struct {
    Facts facts;          /* [B, N] */
    const REAL *log_gate; /* [B], of the new events */
    const int64_t *hash, *birth;
    int64_t *slot; /* [B] that is taken, or -1 */
} Take;

void take(int64_t batch, int64_t slots, const Take *at) {
    for (int64_t b = 0; b < batch; b++) {
        const Facts row = facts_of_row(&at->facts, b, slots);
        at->slot[b] = take_slot(&row, slots, at->log_gate[b], at->hash[b], at->birth[b]);
    }
}
