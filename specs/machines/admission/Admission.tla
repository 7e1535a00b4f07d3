A TLA+ module, printed from the declared machine admission by `perdure spec`. Do not edit; print again.
Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg Admission.tla
TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.

----------------------------- MODULE Admission -----------------------------
\* admission, printed from its declaration.

EXTENDS Naturals

VARIABLES
    phase,
    interrupt_requested,
    shutdown_requested

vars == <<phase, interrupt_requested, shutdown_requested>>

TypeOK ==
    /\ phase \in {"idle", "admitted", "running", "completing", "shut_down"}
    /\ interrupt_requested \in BOOLEAN
    /\ shutdown_requested \in BOOLEAN

Init ==
    /\ phase = "idle"
    /\ interrupt_requested = FALSE
    /\ shutdown_requested = FALSE

\* claim
Claim ==
    /\ phase = "idle"
    /\ phase' = "admitted"
    /\ UNCHANGED <<interrupt_requested, shutdown_requested>>

\* abort_claim
AbortClaim ==
    /\ phase = "admitted"
    /\ phase' = "idle"
    /\ interrupt_requested' = FALSE
    /\ UNCHANGED <<shutdown_requested>>

\* begin
Begin ==
    /\ phase = "admitted"
    /\ phase' = "running"
    /\ UNCHANGED <<interrupt_requested, shutdown_requested>>

\* resolve
Resolve ==
    /\ phase = "running"
    /\ phase' = "completing"
    /\ UNCHANGED <<interrupt_requested, shutdown_requested>>

\* finalise
Finalise ==
    \/ /\ phase = "completing"
       /\ ~shutdown_requested
       /\ phase' = "idle"
       /\ interrupt_requested' = FALSE
       /\ UNCHANGED <<shutdown_requested>>
    \/ /\ phase = "completing"
       /\ shutdown_requested
       /\ phase' = "shut_down"
       /\ interrupt_requested' = FALSE
       /\ UNCHANGED <<shutdown_requested>>

\* request_interrupt
RequestInterrupt ==
    /\ phase \in {"admitted", "running"}
    /\ interrupt_requested' = TRUE
    /\ UNCHANGED <<phase, shutdown_requested>>

\* request_shutdown
RequestShutdown ==
    \/ /\ phase = "idle"
       /\ phase' = "shut_down"
       /\ UNCHANGED <<interrupt_requested, shutdown_requested>>
    \/ /\ phase = "admitted"
       /\ phase' = "shut_down"
       /\ interrupt_requested' = FALSE
       /\ UNCHANGED <<shutdown_requested>>
    \/ /\ phase \in {"running", "completing"}
       /\ shutdown_requested' = TRUE
       /\ UNCHANGED <<phase, interrupt_requested>>

\* Every step of the declaration.
Step ==
    \/ Claim
    \/ AbortClaim
    \/ Begin
    \/ Resolve
    \/ Finalise
    \/ RequestInterrupt
    \/ RequestShutdown

\* Nothing needs to happen any more: being finished is no deadlock.
Done ==
    /\ phase = "shut_down"
    /\ UNCHANGED vars

Next == Step \/ Done

\* What stays possible without a break happens at last.
Fairness ==
    /\ WF_vars(Resolve)
    /\ WF_vars(Finalise)

Spec == Init /\ [][Next]_vars /\ Fairness

\* one claim at a time: a turn is admitted where none is, and begins once it is admitted
\* always, on claim, begin: (phase = idle and phase' = admitted or phase = admitted and phase' = running)
OneClaimAtATimeATurnIs ==
    [][
    (\/ Claim
     \/ Begin)
    => (((phase = "idle") /\ (phase' = "admitted")) \/ ((phase = "admitted") /\ (phase' = "running")))
    ]_vars

\* F: nothing is admitted once shutting down
\* always: (not ((shutdown_requested or phase = shut_down)) or not (phase' = admitted))
FNothingIsAdmittedOnceShuttingDown ==
    [][
    (~(shutdown_requested \/ (phase = "shut_down")) \/ ~(phase' = "admitted"))
    ]_vars

\* F: nothing is admitted once shutting down: the same for steps that change nothing.
FNothingIsAdmittedOnceShuttingDown_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(shutdown_requested \/ (phase = "shut_down")) \/ ~(phase = "admitted"))

\* a turn that runs is finished, whatever is requested meanwhile
\* always: (not (phase = running) or (phase' = running or phase' = completing))
ATurnThatRunsIsFinishedWhateverIs ==
    [][
    (~(phase = "running") \/ (phase' \in {"running", "completing"}))
    ]_vars

\* a turn that runs is finished, whatever is requested meanwhile: the same for steps that change nothing.
ATurnThatRunsIsFinishedWhateverIs_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(phase = "running") \/ (phase \in {"running", "completing"}))

\* an interrupt is requested of a turn, and forgotten with it
\* always: (not (interrupt_requested) or (phase = admitted or phase = running or phase = completing))
AnInterruptIsRequestedOfATurnAnd ==
    ~interrupt_requested \/ (phase \in {"admitted", "running", "completing"})

\* a request to interrupt is heard
\* always, on request_interrupt: interrupt_requested'
ARequestToInterruptIsHeard ==
    [][
    (RequestInterrupt)
    => interrupt_requested'
    ]_vars

\* a request to interrupt is heard: the same for steps that change nothing.
ARequestToInterruptIsHeard_Enabled ==
    ENABLED (
    (RequestInterrupt)
    /\ UNCHANGED vars)
    => interrupt_requested

\* a request to interrupt stands until the turn is over
\* always: (not (interrupt_requested) or (interrupt_requested' or (phase' = idle or phase' = shut_down)))
ARequestToInterruptStandsUntilTheTurn ==
    [][
    (~interrupt_requested \/ (interrupt_requested' \/ (phase' \in {"idle", "shut_down"})))
    ]_vars

\* a request to interrupt stands until the turn is over: the same for steps that change nothing.
ARequestToInterruptStandsUntilTheTurn_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~interrupt_requested \/ (interrupt_requested \/ (phase \in {"idle", "shut_down"})))

\* no turn is interrupted unasked
\* always, on claim, abort_claim, begin, resolve, finalise, request_shutdown: (not (interrupt_requested') or interrupt_requested)
NoTurnIsInterruptedUnasked ==
    [][
    (\/ Claim
     \/ AbortClaim
     \/ Begin
     \/ Resolve
     \/ Finalise
     \/ RequestShutdown)
    => (~interrupt_requested' \/ interrupt_requested)
    ]_vars

\* no turn is interrupted unasked: the same for steps that change nothing.
NoTurnIsInterruptedUnasked_Enabled ==
    ENABLED (
    (RequestShutdown)
    /\ UNCHANGED vars)
    => (~interrupt_requested \/ interrupt_requested)

\* a request to shut down is heard
\* always, on request_shutdown: (shutdown_requested' or phase' = shut_down)
ARequestToShutDownIsHeard ==
    [][
    (RequestShutdown)
    => (shutdown_requested' \/ (phase' = "shut_down"))
    ]_vars

\* a request to shut down is heard: the same for steps that change nothing.
ARequestToShutDownIsHeard_Enabled ==
    ENABLED (
    (RequestShutdown)
    /\ UNCHANGED vars)
    => (shutdown_requested \/ (phase = "shut_down"))

\* only a turn that has begun can hold up shutting down
\* always: (not (shutdown_requested) or (phase = running or phase = completing or phase = shut_down))
OnlyATurnThatHasBegunCanHold ==
    ~shutdown_requested \/ (phase \in {"running", "completing", "shut_down"})

\* nothing shuts down unasked
\* always, on claim, abort_claim, begin, resolve, finalise, request_interrupt: (not ((shutdown_requested' or phase' = shut_down)) or shutdown_requested)
NothingShutsDownUnasked ==
    [][
    (\/ Claim
     \/ AbortClaim
     \/ Begin
     \/ Resolve
     \/ Finalise
     \/ RequestInterrupt)
    => (~(shutdown_requested' \/ (phase' = "shut_down")) \/ shutdown_requested)
    ]_vars

\* nothing shuts down unasked: the same for steps that change nothing.
NothingShutsDownUnasked_Enabled ==
    ENABLED (
    (RequestInterrupt)
    /\ UNCHANGED vars)
    => (~(shutdown_requested \/ (phase = "shut_down")) \/ shutdown_requested)

\* a turn is asked to stop and to be the last at once
\* sometimes: interrupt_requested and shutdown_requested
\* Some state has it: check this as an invariant, and be shown one.
NeverATurnIsAskedToStopAndTo ==
    ~(interrupt_requested /\ shutdown_requested)

\* shutting down stays possible
\* always possible: phase = shut_down
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalShuttingDownStaysPossible ==
    phase = "shut_down"

\* another turn can be admitted unless shutting down
\* always possible, from where not (shutdown_requested) and not (phase = shut_down): phase = admitted
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalAnotherTurnCanBeAdmittedUnlessShuttingDown ==
    phase = "admitted"

\* From every reachable state of which this holds:
GoalAnotherTurnCanBeAdmittedUnlessShuttingDown_From ==
    ~shutdown_requested /\ ~(phase = "shut_down")

\* a requested shutdown comes at last, if turns are finished
\* shutdown_requested leads to phase = shut_down
ARequestedShutdownComesAtLastIfTurns ==
    shutdown_requested ~> (phase = "shut_down")

\* a turn that runs makes way at last, if turns are finished
\* phase = running leads to (phase = idle or phase = shut_down)
ATurnThatRunsMakesWayAtLast ==
    (phase = "running") ~> (phase \in {"idle", "shut_down"})
=============================================================================
