A TLA+ module, printed from the declared machine input by `perdure spec`. Do not edit; print again.
Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg Input.tla
TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.

------------------------------- MODULE Input -------------------------------
\* input, printed from its declaration.

EXTENDS Naturals

CONSTANTS
    NONE,           \* no value: no run, nothing remembered
    RunIds,         \* ids, of which the checker takes 2
    staging_limit   \* a bound: 3 in a running engine, 3 when checked

ASSUME
    /\ NONE \notin RunIds
    /\ staging_limit \in Nat

VARIABLES
    phase,
    lane,
    run,
    attempts

vars == <<phase, lane, run, attempts>>

TypeOK ==
    /\ phase \in {"offered", "accepted", "queued", "staged", "applied", "consumed", "superseded", "coalesced", "abandoned"}
    /\ lane \in {"queue", "steer"} \union {NONE}
    /\ run \in RunIds \union {NONE}
    /\ attempts \in 0..staging_limit

Init ==
    /\ phase = "offered"
    /\ lane = NONE
    /\ run = NONE
    /\ attempts = 0

\* accept
Accept(given_lane) ==
    /\ phase = "offered"
    /\ phase' = "accepted"
    /\ lane' = given_lane
    /\ UNCHANGED <<run, attempts>>

\* queue
Queue ==
    /\ phase = "accepted"
    /\ phase' = "queued"
    /\ UNCHANGED <<lane, run, attempts>>

\* stage
Stage(given_run) ==
    /\ phase = "queued"
    /\ phase' = "staged"
    /\ run' = given_run
    /\ attempts' = attempts + 1
    /\ UNCHANGED <<lane>>

\* apply
Apply(given_run) ==
    /\ phase = "staged"
    /\ run = given_run
    /\ phase' = "applied"
    /\ UNCHANGED <<lane, run, attempts>>

\* consume
Consume(given_run) ==
    /\ phase = "applied"
    /\ run = given_run
    /\ phase' = "consumed"
    /\ UNCHANGED <<lane, run, attempts>>

\* roll_back
RollBack(given_run) ==
    \/ /\ phase = "staged"
       /\ run = given_run
       /\ attempts < staging_limit
       /\ phase' = "queued"
       /\ run' = NONE
       /\ UNCHANGED <<lane, attempts>>
    \/ /\ phase = "staged"
       /\ run = given_run
       /\ attempts = staging_limit
       /\ phase' = "abandoned"
       /\ run' = NONE
       /\ UNCHANGED <<lane, attempts>>

\* supersede
Supersede ==
    /\ phase \in {"accepted", "queued"}
    /\ phase' = "superseded"
    /\ UNCHANGED <<lane, run, attempts>>

\* coalesce
Coalesce ==
    /\ phase \in {"accepted", "queued"}
    /\ phase' = "coalesced"
    /\ UNCHANGED <<lane, run, attempts>>

\* abandon
Abandon ==
    \/ /\ phase \in {"accepted", "queued"}
       /\ phase' = "abandoned"
       /\ UNCHANGED <<lane, run, attempts>>
    \/ /\ phase = "staged"
       /\ phase' = "abandoned"
       /\ run' = NONE
       /\ UNCHANGED <<lane, attempts>>

\* Every step of the declaration.
Step ==
    \/ \E given_lane \in {"queue", "steer"} : Accept(given_lane)
    \/ Queue
    \/ \E given_run \in RunIds : Stage(given_run)
    \/ \E given_run \in RunIds : Apply(given_run)
    \/ \E given_run \in RunIds : Consume(given_run)
    \/ \E given_run \in RunIds : RollBack(given_run)
    \/ Supersede
    \/ Coalesce
    \/ Abandon

\* Nothing needs to happen any more: being finished is no deadlock.
Done ==
    /\ phase \in {"consumed", "superseded", "coalesced", "abandoned"}
    /\ UNCHANGED vars

Next == Step \/ Done

\* What stays possible without a break happens at last.
Fairness ==
    /\ WF_vars(\E given_run \in RunIds : Consume(given_run))

Spec == Init /\ [][Next]_vars /\ Fairness

\* C: an input that a receipt names is never queued again, dropped or given back
\* always: (not (phase = applied) or (phase' = applied or phase' = consumed))
CAnInputThatAReceiptNamesIs ==
    [][
    (~(phase = "applied") \/ (phase' \in {"applied", "consumed"}))
    ]_vars

\* C: only an input that a receipt names is consumed
\* always, on consume: phase = applied and phase' = consumed
COnlyAnInputThatAReceiptNames ==
    [][
    (\E given_run \in RunIds : Consume(given_run))
    => ((phase = "applied") /\ (phase' = "consumed"))
    ]_vars

\* an input belongs to a run from when it is staged, and for good once it is applied
\* always: (not (run # none) or (phase = staged or phase = applied or phase = consumed)) and (not ((phase = staged or phase = applied or phase = consumed)) or run # none)
AnInputBelongsToARunFromWhen ==
    (~(run # NONE) \/ (phase \in {"staged", "applied", "consumed"})) /\ (~(phase \in {"staged", "applied", "consumed"}) \/ (run # NONE))

\* an input moves with the run that staged it, and with no other
\* always, on stage, apply, consume, roll_back: (not (run # none) or run = given run)
AnInputMovesWithTheRunThatStaged_Enabled ==
    \A given_run \in RunIds :
        ENABLED (
        (\/ Stage(given_run)
         \/ Apply(given_run)
         \/ Consume(given_run)
         \/ RollBack(given_run)))
        => (~(run # NONE) \/ (run = given_run))

\* an input is staged to the run that asked for it
\* always, on stage: run' = given run
AnInputIsStagedToTheRunThat ==
    [][
    \A given_run \in RunIds :
        (Stage(given_run))
        => (run' = given_run)
    ]_vars

\* each time that an input is staged counts
\* always, on stage: attempts' = attempts + 1
EachTimeThatAnInputIsStagedCounts ==
    [][
    (\E given_run \in RunIds : Stage(given_run))
    => (attempts' = (attempts + 1))
    ]_vars

\* nothing else counts as staging
\* always, on accept, queue, apply, consume, roll_back, supersede, coalesce, abandon: attempts' = attempts
NothingElseCountsAsStaging ==
    [][
    (\/ \E given_lane \in {"queue", "steer"} : Accept(given_lane)
     \/ Queue
     \/ \E given_run \in RunIds : Apply(given_run)
     \/ \E given_run \in RunIds : Consume(given_run)
     \/ \E given_run \in RunIds : RollBack(given_run)
     \/ Supersede
     \/ Coalesce
     \/ Abandon)
    => ((attempts' = attempts))
    ]_vars

\* an input waits only while it may be staged again
\* always: (not (phase = queued) or attempts < staging_limit)
AnInputWaitsOnlyWhileItMayBe ==
    ~(phase = "queued") \/ (attempts < staging_limit)

\* rolling back gives up no input before it was staged as often as it may be
\* always, on roll_back: (phase' = queued or attempts = staging_limit)
RollingBackGivesUpNoInputBeforeIt ==
    [][
    (\E given_run \in RunIds : RollBack(given_run))
    => ((phase' = "queued") \/ (attempts = staging_limit))
    ]_vars

\* what is superseded, coalesced or abandoned has ended
\* always, on supersede, coalesce, abandon: (phase' = superseded or phase' = coalesced or phase' = abandoned)
WhatIsSupersededCoalescedOrAbandonedHasEnded ==
    [][
    (\/ Supersede
     \/ Coalesce
     \/ Abandon)
    => (phase' \in {"superseded", "coalesced", "abandoned"})
    ]_vars

\* an input goes into the lane it was accepted for
\* always, on accept: lane' = given lane
AnInputGoesIntoTheLaneItWas ==
    [][
    \A given_lane \in {"queue", "steer"} :
        (Accept(given_lane))
        => (lane' = given_lane)
    ]_vars

\* an input keeps its lane
\* always, on queue, stage, apply, consume, roll_back, supersede, coalesce, abandon: lane' = lane
AnInputKeepsItsLane ==
    [][
    (\/ Queue
     \/ \E given_run \in RunIds : Stage(given_run)
     \/ \E given_run \in RunIds : Apply(given_run)
     \/ \E given_run \in RunIds : Consume(given_run)
     \/ \E given_run \in RunIds : RollBack(given_run)
     \/ Supersede
     \/ Coalesce
     \/ Abandon)
    => ((lane' = lane))
    ]_vars

\* an input is consumed though it was rolled back
\* sometimes: phase = consumed and attempts > 1
\* Some state has it: check this as an invariant, and be shown one.
NeverAnInputIsConsumedThoughItWasRolled ==
    ~((phase = "consumed") /\ (attempts > 1))

\* an input is given up, having been staged as often as it may be
\* sometimes: phase = abandoned and attempts = staging_limit
\* Some state has it: check this as an invariant, and be shown one.
NeverAnInputIsGivenUpHavingBeenStaged ==
    ~((phase = "abandoned") /\ (attempts = staging_limit))

\* an input that has not been dropped can still be consumed
\* always possible, from where not ((phase = superseded or phase = coalesced or phase = abandoned)): phase = consumed
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalAnInputThatHasNotBeenDroppedCan ==
    phase = "consumed"

\* From every reachable state of which this holds:
GoalAnInputThatHasNotBeenDroppedCan_From ==
    ~(phase \in {"superseded", "coalesced", "abandoned"})

\* an input that a receipt names is consumed at last
\* phase = applied leads to phase = consumed
AnInputThatAReceiptNamesIsConsumed ==
    (phase = "applied") ~> (phase = "consumed")
=============================================================================
