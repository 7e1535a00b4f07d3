A TLA+ module, printed from the declared machine gate by `perdure spec`. Do not edit; print again.
Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg Gate.tla
TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.

-------------------------------- MODULE Gate --------------------------------
\* gate, printed from its declaration.

EXTENDS Naturals

VARIABLES
    phase

vars == <<phase>>

TypeOK ==
    /\ phase \in {"armed", "cancelled", "closed"}

Init ==
    /\ phase = "armed"

\* write
Write ==
    /\ phase = "armed"
    /\ UNCHANGED vars

\* cancel
Cancel ==
    \/ /\ phase = "armed"
       /\ phase' = "cancelled"
    \/ /\ phase = "cancelled"
       /\ UNCHANGED vars

\* rearm
Rearm ==
    \/ /\ phase = "armed"
       /\ UNCHANGED vars
    \/ /\ phase = "cancelled"
       /\ phase' = "armed"

\* close
Close ==
    /\ phase \in {"armed", "cancelled"}
    /\ phase' = "closed"

\* Every step of the declaration.
Step ==
    \/ Write
    \/ Cancel
    \/ Rearm
    \/ Close

\* Nothing needs to happen any more: being finished is no deadlock.
Done ==
    /\ phase = "closed"
    /\ UNCHANGED vars

Next == Step \/ Done

Spec == Init /\ [][Next]_vars

\* F: nothing is written through a gate that is cancelled or closed
\* always, on write: phase = armed and phase' = armed
FNothingIsWrittenThroughAGateThat ==
    [][
    (Write)
    => ((phase = "armed") /\ (phase' = "armed"))
    ]_vars

\* F: nothing is written through a gate that is cancelled or closed: the same for steps that change nothing.
FNothingIsWrittenThroughAGateThat_Enabled ==
    ENABLED (
    (Write)
    /\ UNCHANGED vars)
    => ((phase = "armed") /\ (phase = "armed"))

\* a cancelled gate holds checkpoints back
\* always, on cancel: phase' = cancelled
ACancelledGateHoldsCheckpointsBack ==
    [][
    (Cancel)
    => (phase' = "cancelled")
    ]_vars

\* a cancelled gate holds checkpoints back: the same for steps that change nothing.
ACancelledGateHoldsCheckpointsBack_Enabled ==
    ENABLED (
    (Cancel)
    /\ UNCHANGED vars)
    => (phase = "cancelled")

\* a rearmed gate lets them through
\* always, on rearm: phase' = armed
ARearmedGateLetsThemThrough ==
    [][
    (Rearm)
    => (phase' = "armed")
    ]_vars

\* a rearmed gate lets them through: the same for steps that change nothing.
ARearmedGateLetsThemThrough_Enabled ==
    ENABLED (
    (Rearm)
    /\ UNCHANGED vars)
    => (phase = "armed")

\* closing closes
\* always, on close: phase' = closed
ClosingCloses ==
    [][
    (Close)
    => (phase' = "closed")
    ]_vars

\* a gate can be armed again until it is closed
\* always possible, from where not (phase = closed): phase = armed
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalAGateCanBeArmedAgainUntilIt ==
    phase = "armed"

\* From every reachable state of which this holds:
GoalAGateCanBeArmedAgainUntilIt_From ==
    ~(phase = "closed")
=============================================================================
