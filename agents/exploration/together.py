"""A bonus in several processes: what one learns from its envs, all learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor

from engram.agents.exploration.interface import Bonus, Seen
from engram.agents.ranks import Ranks


def learned_together(bonus: Bonus, ranks: Ranks) -> Callable[[Seen], Tensor]:
    """Return a bonus for the rows of this process that, if it learns, is shown the rows of all.

    So each process learns what one with all the envs would. A bonus that learns nothing has nothing to exchange.
    """
    if ranks.is_alone or not bonus.state_dict():
        return bonus

    def of_own_rows(seen: Seen) -> Tensor:
        return ranks.own_rows(bonus(cast(Seen, ranks.rows_of_all(seen))))

    return of_own_rows
