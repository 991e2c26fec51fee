"""The discipline's promises, held against a model of what may start, whatever comes and ends.

The model knows the limits and what is in flight, and nothing of tickets, dates or queues.
"""

from collections import Counter, defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.domain.delivery import Answered, ErrorKind, Interrupted, Outcome, Unreachable
from tasks.gates import Recipient
from tasks.shares import Limits, Load

ANSWER, SILENCE = Answered(200, ""), Unreachable(ErrorKind.TIMEOUT, "")
LIMITS = Limits(concurrency=16, per_webhook=4, per_host=8)
# A business with many webhooks, one with a few, and some with one; two hosts are shared.
BUSINESSES = [1] * 10 + [2] * 3 + [3, 4, 5, 6]
HOSTS = ["chat", "chat", "ours", "chat", "other"]
RECIPIENTS = [
    Recipient(number, business, HOSTS[number % len(HOSTS)])
    for number, business in enumerate(BUSINESSES)
]
OVERTAKINGS = 2  # by one business, of a webhook that nothing keeps from starting


class Turns(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.load = Load(LIMITS)
        self.claimed: Counter[Recipient] = Counter()
        self.in_flight: Counter[Recipient] = Counter()
        self.silences: dict[Recipient, int] = {}
        self.overtaken: defaultdict[Recipient, Counter[int]] = defaultdict(Counter)

    # What the limits say

    def in_flight_to(self, *recipients: Recipient) -> int:
        return sum(self.in_flight[each] for each in recipients)

    def may_start(self, recipient: Recipient) -> bool:
        mine, total = self.in_flight[recipient], self.in_flight.total()
        silences = self.silences.get(recipient)
        host = [each for each in RECIPIENTS if each.host == recipient.host]
        unproven = [each for each in RECIPIENTS if self.silences.get(each) != 0]
        silent = [each for each in RECIPIENTS if self.silences.get(each)]

        def room(limit: int) -> int:
            return limit - limit // 8 if mine else limit  # an eighth is kept for first ones

        return (
            self.claimed[recipient] > 0
            and total < room(LIMITS.concurrency)
            and mine < max(1, LIMITS.per_webhook >> (silences or 0))
            and self.in_flight_to(*host) < room(LIMITS.per_host)
            and (silences == 0 or self.in_flight_to(*unproven) < room(LIMITS.unproven))
            and (not silences or self.in_flight_to(*silent) < room(LIMITS.silent))
        )

    def firsts(self) -> list[Recipient]:
        """Those with nothing in flight that may start."""
        return [each for each in RECIPIENTS if not self.in_flight[each] and self.may_start(each)]

    # What happens

    @rule(recipient=st.sampled_from(RECIPIENTS), number=st.integers(1, 6))
    def claim(self, recipient: Recipient, number: int) -> None:
        self.claimed[recipient] += number
        self.load.claimed(recipient, number)
        self.load.wait(recipient)

    @precondition(lambda self: self.claimed.total())
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        recipient = data.draw(st.sampled_from(sorted(+self.claimed)))
        for _ in range(self.claimed.pop(recipient)):
            self.load.given_back(recipient)
        self.load.leave(recipient.webhook_id)
        self.overtaken.pop(recipient, None)

    @rule()
    def start_one(self) -> None:
        self.start()

    @rule()
    def start_all(self) -> None:
        while self.start():
            pass

    @precondition(lambda self: self.in_flight.total())
    @rule(
        data=st.data(),
        outcome=st.sampled_from([ANSWER, ANSWER, SILENCE, Interrupted()]),
        at_once=st.booleans(),
    )
    def end(self, data: st.DataObject, outcome: Outcome, at_once: bool) -> None:
        recipient = data.draw(st.sampled_from(sorted(+self.in_flight)))
        self.in_flight[recipient] -= 1
        match outcome:
            case Answered():
                self.silences[recipient] = 0
            case Unreachable():
                most = LIMITS.per_webhook.bit_length()
                self.silences[recipient] = min(most, self.silences.get(recipient, 0) + 1)
        self.load.ended(recipient, outcome, 0.0)
        if at_once:
            self.start_all()

    # What must be so

    def start(self) -> bool:
        firsts = self.firsts()
        started = self.load.next()
        if started is None:
            assert not any(map(self.may_start, RECIPIENTS)), "nobody starts, and somebody could"
            return False
        assert self.may_start(started), "over a limit"
        assert not firsts or started in firsts, "a second before a first"
        self.note_overtaking(started, firsts)
        self.claimed[started] -= 1
        self.in_flight[started] += 1
        if self.claimed[started]:
            self.load.wait(started)
        return True

    def note_overtaking(self, started: Recipient, firsts: list[Recipient]) -> None:
        for each in RECIPIENTS:
            if each not in firsts or each.business_id == started.business_id:
                self.overtaken.pop(each, None)
                continue
            overtaken = self.overtaken[each]
            overtaken[started.business_id] += 1
            assert overtaken[started.business_id] <= OVERTAKINGS, "more than its turn"

    @invariant()
    def everything_is_counted(self) -> None:
        assert self.load.in_flight == self.in_flight.total() <= LIMITS.concurrency


Turns.TestCase.settings = settings(
    max_examples=100, stateful_step_count=60, derandomize=True, deadline=None, database=None
)
TestTurns = Turns.TestCase
