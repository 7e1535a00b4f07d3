A TLA+ module, printed from the declared machine session by `perdure spec`. Do not edit; print again.
Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg Session.tla
TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.

------------------------------ MODULE Session ------------------------------
\* session, printed from its declaration.

EXTENDS Naturals

CONSTANTS
    NONE,               \* no value: no run, nothing remembered
    RunIds,             \* ids, of which the checker takes 2
    input_capacity,     \* a bound: 1024 in a running engine, 2 when checked
    boundary_capacity   \* a bound: 1000000 in a running engine, 2 when checked

ASSUME
    /\ NONE \notin RunIds
    /\ input_capacity \in Nat
    /\ boundary_capacity \in Nat

VARIABLES
    phase,
    run,
    return_to,
    cancel_requested,
    queued,
    staged,
    sequence

vars == <<phase, run, return_to, cancel_requested, queued, staged, sequence>>

TypeOK ==
    /\ phase \in {"unregistered", "idle", "attached", "running", "retired", "stopped", "archived", "destroyed"}
    /\ run \in RunIds \union {NONE}
    /\ return_to \in {"idle", "attached", "retired"} \union {NONE}
    /\ cancel_requested \in BOOLEAN
    /\ queued \in 0..input_capacity
    /\ staged \in 0..input_capacity
    /\ sequence \in 0..boundary_capacity

Init ==
    /\ phase = "unregistered"
    /\ run = NONE
    /\ return_to = NONE
    /\ cancel_requested = FALSE
    /\ queued = 0
    /\ staged = 0
    /\ sequence = 0

\* register
Register ==
    \/ /\ phase = "unregistered"
       /\ phase' = "idle"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase \in {"idle", "attached", "running", "retired", "stopped"}
       /\ UNCHANGED vars

\* attach
Attach ==
    \/ /\ phase = "idle"
       /\ phase' = "attached"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase \in {"attached", "retired"}
       /\ UNCHANGED vars
    \/ /\ phase = "stopped"
       /\ ~(return_to = "retired")
       /\ phase' = "attached"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "stopped"
       /\ return_to = "retired"
       /\ phase' = "retired"
       /\ return_to' = NONE
       /\ UNCHANGED <<run, cancel_requested, queued, staged, sequence>>

\* detach
Detach ==
    /\ phase = "attached"
    /\ phase' = "idle"
    /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>

\* accept_input
AcceptInput ==
    \/ /\ phase \in {"idle", "attached"}
       /\ (queued + staged) < input_capacity
       /\ queued' = queued + 1
       /\ UNCHANGED <<phase, run, return_to, cancel_requested, staged, sequence>>
    \/ /\ phase = "running"
       /\ (queued + staged) < input_capacity
       /\ ~(return_to = "retired")
       /\ queued' = queued + 1
       /\ UNCHANGED <<phase, run, return_to, cancel_requested, staged, sequence>>

\* drop_input
DropInput(given_inputs) ==
    /\ phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ given_inputs > 0
    /\ given_inputs <= queued
    /\ queued' = queued - given_inputs
    /\ UNCHANGED <<phase, run, return_to, cancel_requested, staged, sequence>>

\* begin_run
BeginRun(given_run, given_inputs) ==
    \/ /\ phase = "idle"
       /\ given_inputs <= queued
       /\ phase' = "running"
       /\ run' = given_run
       /\ queued' = queued - given_inputs
       /\ staged' = given_inputs
       /\ return_to' = "idle"
       /\ UNCHANGED <<cancel_requested, sequence>>
    \/ /\ phase = "attached"
       /\ given_inputs <= queued
       /\ phase' = "running"
       /\ run' = given_run
       /\ queued' = queued - given_inputs
       /\ staged' = given_inputs
       /\ return_to' = "attached"
       /\ UNCHANGED <<cancel_requested, sequence>>
    \/ /\ phase = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= queued
       /\ phase' = "running"
       /\ run' = given_run
       /\ queued' = queued - given_inputs
       /\ staged' = given_inputs
       /\ return_to' = "retired"
       /\ UNCHANGED <<cancel_requested, sequence>>

\* apply_boundary
ApplyBoundary(given_run, given_inputs) ==
    /\ phase = "running"
    /\ run = given_run
    /\ given_inputs <= queued
    /\ sequence < boundary_capacity
    /\ queued' = queued - given_inputs
    /\ staged' = given_inputs
    /\ sequence' = sequence + 1
    /\ UNCHANGED <<phase, run, return_to, cancel_requested>>

\* complete_run
CompleteRun(given_run) ==
    /\ phase = "running"
    /\ return_to # NONE
    /\ run = given_run
    /\ staged = 0
    /\ phase' = return_to
    /\ run' = NONE
    /\ cancel_requested' = FALSE
    /\ sequence' = 0
    /\ return_to' = NONE
    /\ UNCHANGED <<queued, staged>>

\* fail_run
FailRun(given_run) ==
    /\ phase = "running"
    /\ return_to # NONE
    /\ run = given_run
    /\ phase' = return_to
    /\ run' = NONE
    /\ cancel_requested' = FALSE
    /\ sequence' = 0
    /\ return_to' = NONE
    /\ queued' = queued + staged
    /\ staged' = 0

\* cancel_run
CancelRun(given_run) ==
    /\ phase = "running"
    /\ return_to # NONE
    /\ run = given_run
    /\ phase' = return_to
    /\ run' = NONE
    /\ cancel_requested' = FALSE
    /\ sequence' = 0
    /\ return_to' = NONE
    /\ queued' = queued + staged
    /\ staged' = 0

\* roll_back_run
RollBackRun(given_run) ==
    /\ phase = "running"
    /\ return_to # NONE
    /\ run = given_run
    /\ phase' = return_to
    /\ run' = NONE
    /\ cancel_requested' = FALSE
    /\ sequence' = 0
    /\ return_to' = NONE
    /\ queued' = queued + staged
    /\ staged' = 0

\* interrupt
Interrupt ==
    \/ /\ phase = "attached"
       /\ UNCHANGED vars
    \/ /\ phase = "running"
       /\ cancel_requested' = TRUE
       /\ UNCHANGED <<phase, run, return_to, queued, staged, sequence>>

\* cancel_after_boundary
CancelAfterBoundary ==
    \/ /\ phase = "attached"
       /\ UNCHANGED vars
    \/ /\ phase = "running"
       /\ cancel_requested' = TRUE
       /\ UNCHANGED <<phase, run, return_to, queued, staged, sequence>>

\* append_context
AppendContext ==
    \/ /\ phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ phase = "stopped"
       /\ ~(return_to = "retired") \/ (queued > 0)
       /\ UNCHANGED vars
    \/ /\ phase = "retired"
       /\ queued > 0
       /\ UNCHANGED vars

\* stage_context
StageContext ==
    \/ /\ phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ phase = "stopped"
       /\ ~(return_to = "retired") \/ (queued > 0)
       /\ UNCHANGED vars
    \/ /\ phase = "retired"
       /\ queued > 0
       /\ UNCHANGED vars

\* stage_tool_results
StageToolResults ==
    \/ /\ phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ phase = "stopped"
       /\ ~(return_to = "retired") \/ (queued > 0)
       /\ UNCHANGED vars
    \/ /\ phase = "retired"
       /\ queued > 0
       /\ UNCHANGED vars

\* checkpoint
Checkpoint ==
    /\ phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* note
Note ==
    /\ phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* retire
Retire ==
    \/ /\ phase \in {"idle", "attached"}
       /\ phase' = "retired"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "stopped"
       /\ phase' = "retired"
       /\ return_to' = NONE
       /\ UNCHANGED <<run, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "running"
       /\ return_to' = "retired"
       /\ UNCHANGED <<phase, run, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "retired"
       /\ UNCHANGED vars

\* archive
Archive ==
    /\ phase = "retired"
    /\ queued = 0
    /\ phase' = "archived"
    /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>

\* stop
Stop ==
    \/ /\ phase \in {"idle", "attached"}
       /\ phase' = "stopped"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "retired"
       /\ phase' = "stopped"
       /\ return_to' = "retired"
       /\ UNCHANGED <<run, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "running"
       /\ ~(return_to = "retired")
       /\ phase' = "stopped"
       /\ run' = NONE
       /\ cancel_requested' = FALSE
       /\ sequence' = 0
       /\ return_to' = NONE
       /\ queued' = queued + staged
       /\ staged' = 0
    \/ /\ phase = "running"
       /\ return_to = "retired"
       /\ phase' = "stopped"
       /\ run' = NONE
       /\ cancel_requested' = FALSE
       /\ sequence' = 0
       /\ queued' = queued + staged
       /\ staged' = 0
       /\ UNCHANGED <<return_to>>

\* executor_exited
ExecutorExited ==
    \/ /\ phase \in {"idle", "attached"}
       /\ phase' = "stopped"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "retired"
       /\ phase' = "stopped"
       /\ return_to' = "retired"
       /\ UNCHANGED <<run, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "running"
       /\ ~(return_to = "retired")
       /\ phase' = "stopped"
       /\ run' = NONE
       /\ cancel_requested' = FALSE
       /\ sequence' = 0
       /\ return_to' = NONE
       /\ queued' = queued + staged
       /\ staged' = 0
    \/ /\ phase = "running"
       /\ return_to = "retired"
       /\ phase' = "stopped"
       /\ run' = NONE
       /\ cancel_requested' = FALSE
       /\ sequence' = 0
       /\ queued' = queued + staged
       /\ staged' = 0
       /\ UNCHANGED <<return_to>>

\* recover
Recover ==
    \/ /\ phase = "running"
       /\ return_to # NONE
       /\ phase' = return_to
       /\ run' = NONE
       /\ cancel_requested' = FALSE
       /\ sequence' = 0
       /\ return_to' = NONE
       /\ queued' = queued + staged
       /\ staged' = 0
    \/ /\ phase \in {"idle", "attached", "retired", "stopped"}
       /\ UNCHANGED vars

\* reset
Reset ==
    \/ /\ phase \in {"attached", "idle"}
       /\ queued' = 0
       /\ UNCHANGED <<phase, run, return_to, cancel_requested, staged, sequence>>
    \/ /\ phase = "retired"
       /\ phase' = "idle"
       /\ queued' = 0
       /\ UNCHANGED <<run, return_to, cancel_requested, staged, sequence>>
    \/ /\ phase = "stopped"
       /\ phase' = "idle"
       /\ queued' = 0
       /\ return_to' = NONE
       /\ UNCHANGED <<run, cancel_requested, staged, sequence>>

\* recycle
Recycle ==
    \/ /\ phase \in {"attached", "idle"}
       /\ UNCHANGED vars
    \/ /\ phase = "retired"
       /\ phase' = "idle"
       /\ UNCHANGED <<run, return_to, cancel_requested, queued, staged, sequence>>
    \/ /\ phase = "stopped"
       /\ phase' = "idle"
       /\ return_to' = NONE
       /\ UNCHANGED <<run, cancel_requested, queued, staged, sequence>>

\* destroy
Destroy ==
    \/ /\ phase \in {"idle", "attached", "retired"}
       /\ phase' = "destroyed"
       /\ queued' = 0
       /\ UNCHANGED <<run, return_to, cancel_requested, staged, sequence>>
    \/ /\ phase = "running"
       /\ phase' = "destroyed"
       /\ run' = NONE
       /\ cancel_requested' = FALSE
       /\ sequence' = 0
       /\ return_to' = NONE
       /\ queued' = 0
       /\ staged' = 0
    \/ /\ phase = "stopped"
       /\ phase' = "destroyed"
       /\ queued' = 0
       /\ return_to' = NONE
       /\ UNCHANGED <<run, cancel_requested, staged, sequence>>

\* Every step of the declaration.
Step ==
    \/ Register
    \/ Attach
    \/ Detach
    \/ AcceptInput
    \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
    \/ \E given_run \in RunIds : CompleteRun(given_run)
    \/ \E given_run \in RunIds : FailRun(given_run)
    \/ \E given_run \in RunIds : CancelRun(given_run)
    \/ \E given_run \in RunIds : RollBackRun(given_run)
    \/ Interrupt
    \/ CancelAfterBoundary
    \/ AppendContext
    \/ StageContext
    \/ StageToolResults
    \/ Checkpoint
    \/ Note
    \/ Retire
    \/ Archive
    \/ Stop
    \/ ExecutorExited
    \/ Recover
    \/ Reset
    \/ Recycle
    \/ Destroy

\* Nothing needs to happen any more: being finished is no deadlock.
Done ==
    /\ phase \in {"archived", "destroyed"}
    /\ UNCHANGED vars

Next == Step \/ Done

\* What stays possible without a break happens at last.
Fairness ==
    /\ WF_vars(\E given_run \in RunIds : FailRun(given_run))

Spec == Init /\ [][Next]_vars /\ Fairness

\* a run is current exactly while the session is running
\* always: (not (run # none) or phase = running) and (not (phase = running) or run # none)
ARunIsCurrentExactlyWhileTheSession ==
    (~(run # NONE) \/ (phase = "running")) /\ (~(phase = "running") \/ (run # NONE))

\* a phase to return to is remembered during every run, and besides only by a stopped session that had retired
\* always: (not (phase = running) or return_to # none) and (not (return_to # none) or (phase = running or phase = stopped and return_to = retired))
APhaseToReturnToIsRememberedDuring ==
    (~(phase = "running") \/ (return_to # NONE)) /\ (~(return_to # NONE) \/ ((phase = "running") \/ ((phase = "stopped") /\ (return_to = "retired"))))

\* a run begins where none is current, as the run that was asked for, and remembers the phase it leaves
\* always, on begin_run: run = none and run' = given run and return_to' = phase
ARunBeginsWhereNoneIsCurrentAs ==
    [][
    \A given_run \in RunIds :
        (\E given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs))
        => (((run = NONE) /\ (run' = given_run)) /\ (return_to' = phase))
    ]_vars

\* only the current run lands a boundary or ends
\* always, on apply_boundary, complete_run, fail_run, cancel_run, roll_back_run: run = given run
OnlyTheCurrentRunLandsABoundaryOr_Enabled ==
    \A given_run \in RunIds :
        ENABLED (
        (\/ \E given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
         \/ CompleteRun(given_run)
         \/ FailRun(given_run)
         \/ CancelRun(given_run)
         \/ RollBackRun(given_run)))
        => (run = given_run)

\* a run stays the current one until it is over
\* always: (not (phase = running and phase' = running) or run' = run)
ARunStaysTheCurrentOneUntilIt ==
    [][
    (~((phase = "running") /\ (phase' = "running")) \/ ((run' = run)))
    ]_vars

\* a run stays the current one until it is over: the same for steps that change nothing.
ARunStaysTheCurrentOneUntilIt_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~((phase = "running") /\ (phase = "running")) \/ ((run = run)))

\* a run that ends leads back to where it came from, or to retired if the session retired meanwhile
\* always, on complete_run, fail_run, cancel_run, roll_back_run, recover: (not (phase = running) or phase' = return_to)
ARunThatEndsLeadsBackToWhere ==
    [][
    (\/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ Recover)
    => (~(phase = "running") \/ (phase' = return_to))
    ]_vars

\* a run that ends leads back to where it came from, or to retired if the session retired meanwhile: the same for steps that change nothing.
ARunThatEndsLeadsBackToWhere_Enabled ==
    ENABLED (
    (\/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ Recover)
    /\ UNCHANGED vars)
    => (~(phase = "running") \/ (phase = return_to))

\* during a run only retiring changes the phase to return to
\* always, on register, attach, detach, accept_input, drop_input, begin_run, apply_boundary, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, reset, recycle, checkpoint, note, archive, recover, destroy: (not (phase = running and phase' = running) or return_to' = return_to)
DuringARunOnlyRetiringChangesThePhase ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~((phase = "running") /\ (phase' = "running")) \/ ((return_to' = return_to)))
    ]_vars

\* during a run only retiring changes the phase to return to: the same for steps that change nothing.
DuringARunOnlyRetiringChangesThePhase_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Recover)
    /\ UNCHANGED vars)
    => (~((phase = "running") /\ (phase = "running")) \/ ((return_to = return_to)))

\* a request to end the run is remembered until it is over
\* always: (not (phase = running and phase' = running and cancel_requested) or cancel_requested')
ARequestToEndTheRunIsRemembered ==
    [][
    (~(((phase = "running") /\ (phase' = "running")) /\ cancel_requested) \/ cancel_requested')
    ]_vars

\* a request to end the run is remembered until it is over: the same for steps that change nothing.
ARequestToEndTheRunIsRemembered_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((phase = "running") /\ (phase = "running")) /\ cancel_requested) \/ cancel_requested)

\* a request to end the run is heard
\* always, on interrupt, cancel_after_boundary: (not (phase = running) or cancel_requested')
ARequestToEndTheRunIsHeard ==
    [][
    (\/ Interrupt
     \/ CancelAfterBoundary)
    => (~(phase = "running") \/ cancel_requested')
    ]_vars

\* a request to end the run is heard: the same for steps that change nothing.
ARequestToEndTheRunIsHeard_Enabled ==
    ENABLED (
    (\/ Interrupt
     \/ CancelAfterBoundary)
    /\ UNCHANGED vars)
    => (~(phase = "running") \/ cancel_requested)

\* nobody but the authority requests the end of a run
\* always, on register, attach, detach, accept_input, drop_input, begin_run, apply_boundary, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, stop, executor_exited, reset, recycle, checkpoint, note, retire, archive, recover, destroy: (not (cancel_requested') or cancel_requested)
NobodyButTheAuthorityRequestsTheEndOf ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Stop
     \/ ExecutorExited
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~cancel_requested' \/ cancel_requested)
    ]_vars

\* nobody but the authority requests the end of a run: the same for steps that change nothing.
NobodyButTheAuthorityRequestsTheEndOf_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Recover)
    /\ UNCHANGED vars)
    => (~cancel_requested \/ cancel_requested)

\* only a run can be asked to end
\* always: (not (cancel_requested) or phase = running)
OnlyARunCanBeAskedToEnd ==
    ~cancel_requested \/ (phase = "running")

\* a run ends at last, if one that does not end otherwise fails
\* phase = running leads to not (phase = running)
ARunEndsAtLastIfOneThat ==
    (phase = "running") ~> ~(phase = "running")

\* E: each boundary of a run writes a receipt with the next sequence
\* always, on apply_boundary: sequence' = sequence + 1
EEachBoundaryOfARunWritesA ==
    [][
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs))
    => (sequence' = (sequence + 1))
    ]_vars

\* E: each boundary of a run writes a receipt with the next sequence: the same for steps that change nothing.
EEachBoundaryOfARunWritesA_Enabled ==
    ENABLED (
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs))
    /\ UNCHANGED vars)
    => (sequence = (sequence + 1))

\* E: nothing but a boundary writes a receipt, and no run reuses a sequence
\* always, on register, attach, detach, accept_input, drop_input, begin_run, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, reset, recycle, checkpoint, note, retire, archive, recover, destroy: (not (phase' = running) or sequence' = sequence)
ENothingButABoundaryWritesAReceipt ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~(phase' = "running") \/ ((sequence' = sequence)))
    ]_vars

\* E: nothing but a boundary writes a receipt, and no run reuses a sequence: the same for steps that change nothing.
ENothingButABoundaryWritesAReceipt_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Recover)
    /\ UNCHANGED vars)
    => (~(phase = "running") \/ ((sequence = sequence)))

\* E: sequences count from the start of each run
\* always: (not (sequence > 0) or phase = running)
ESequencesCountFromTheStartOfEach ==
    ~(sequence > 0) \/ (phase = "running")

\* a run lands several boundaries
\* sometimes: sequence > 1
\* Some state has it: check this as an invariant, and be shown one.
NeverARunLandsSeveralBoundaries ==
    ~(sequence > 1)

\* only a run has inputs staged
\* always: (not (staged > 0) or phase = running)
OnlyARunHasInputsStaged ==
    ~(staged > 0) \/ (phase = "running")

\* there is always room to give back what a run has staged
\* always: queued + staged <= input_capacity
ThereIsAlwaysRoomToGiveBackWhat ==
    (queued + staged) <= input_capacity

\* an accepted input waits in the queue
\* always, on accept_input: queued' = queued + 1 and staged' = staged
AnAcceptedInputWaitsInTheQueue ==
    [][
    (AcceptInput)
    => ((queued' = (queued + 1)) /\ ((staged' = staged)))
    ]_vars

\* an accepted input waits in the queue: the same for steps that change nothing.
AnAcceptedInputWaitsInTheQueue_Enabled ==
    ENABLED (
    (AcceptInput)
    /\ UNCHANGED vars)
    => ((queued = (queued + 1)) /\ ((staged = staged)))

\* a run takes from the queue just the inputs it is given
\* always, on begin_run, apply_boundary: staged' = given inputs and queued' = queued - given inputs
ARunTakesFromTheQueueJustThe ==
    [][
    \A given_inputs \in 0..input_capacity :
        (\/ \E given_run \in RunIds : BeginRun(given_run, given_inputs)
         \/ \E given_run \in RunIds : ApplyBoundary(given_run, given_inputs))
        => ((staged' = given_inputs) /\ (queued' = (queued - given_inputs)))
    ]_vars

\* a run takes from the queue just the inputs it is given: the same for steps that change nothing.
ARunTakesFromTheQueueJustThe_Enabled ==
    \A given_inputs \in 0..input_capacity :
        ENABLED (
        (\E given_run \in RunIds : ApplyBoundary(given_run, given_inputs))
        /\ UNCHANGED vars)
        => ((staged = given_inputs) /\ (queued = (queued - given_inputs)))

\* what is dropped was waiting in the queue
\* always, on drop_input: queued' = queued - given inputs and queued' < queued and staged' = staged
WhatIsDroppedWasWaitingInTheQueue ==
    [][
    \A given_inputs \in 0..input_capacity :
        (DropInput(given_inputs))
        => (((queued' = (queued - given_inputs)) /\ (queued' < queued)) /\ ((staged' = staged)))
    ]_vars

\* what is dropped was waiting in the queue: the same for steps that change nothing.
WhatIsDroppedWasWaitingInTheQueue_Enabled ==
    \A given_inputs \in 0..input_capacity :
        ENABLED (
        (DropInput(given_inputs))
        /\ UNCHANGED vars)
        => (((queued = (queued - given_inputs)) /\ (queued < queued)) /\ ((staged = staged)))

\* C: an input that a receipt names is never given back: what a run holds changes at a boundary only
\* always, on register, attach, detach, accept_input, drop_input, begin_run, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, reset, recycle, checkpoint, note, retire, archive, recover, destroy: (not (phase = running and phase' = running) or staged' = staged)
CAnInputThatAReceiptNamesIs ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~((phase = "running") /\ (phase' = "running")) \/ ((staged' = staged)))
    ]_vars

\* C: an input that a receipt names is never given back: what a run holds changes at a boundary only: the same for steps that change nothing.
CAnInputThatAReceiptNamesIs_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Recover)
    /\ UNCHANGED vars)
    => (~((phase = "running") /\ (phase = "running")) \/ ((staged = staged)))

\* C: no input is lost or made up: what no receipt names is given back in full
\* always, on register, attach, detach, begin_run, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, recycle, checkpoint, note, retire, archive, recover: queued' + staged' = queued + staged
CNoInputIsLostOrMadeUp ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Archive
     \/ Recover)
    => ((queued' + staged') = (queued + staged))
    ]_vars

\* C: no input is lost or made up: what no receipt names is given back in full: the same for steps that change nothing.
CNoInputIsLostOrMadeUp_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Recover)
    /\ UNCHANGED vars)
    => ((queued + staged) = (queued + staged))

\* C: a run completes only once a receipt names each of its inputs
\* always, on complete_run: staged = 0
CARunCompletesOnlyOnceAReceipt_Enabled ==
    ENABLED (
    (\E given_run \in RunIds : CompleteRun(given_run)))
    => (staged = 0)

\* a session that starts over afresh, or has ended, holds no input
\* always, on reset, archive, destroy: queued' + staged' = 0
ASessionThatStartsOverAfreshOrHas ==
    [][
    (\/ Reset
     \/ Archive
     \/ Destroy)
    => ((queued' + staged') = 0)
    ]_vars

\* a session that starts over afresh, or has ended, holds no input: the same for steps that change nothing.
ASessionThatStartsOverAfreshOrHas_Enabled ==
    ENABLED (
    (Reset)
    /\ UNCHANGED vars)
    => ((queued + staged) = 0)

\* inputs wait while a run has others staged
\* sometimes: queued > 0 and staged > 0
\* Some state has it: check this as an invariant, and be shown one.
NeverInputsWaitWhileARunHasOthersStaged ==
    ~((queued > 0) /\ (staged > 0))

\* F: no input is admitted while a session drains, or before it begins
\* always: (not (((phase = retired or return_to = retired) or (phase = unregistered or phase = stopped))) or queued' + staged' <= queued + staged)
FNoInputIsAdmittedWhileASession ==
    [][
    (~(((phase = "retired") \/ (return_to = "retired")) \/ (phase \in {"unregistered", "stopped"})) \/ ((queued' + staged') <= (queued + staged)))
    ]_vars

\* F: no input is admitted while a session drains, or before it begins: the same for steps that change nothing.
FNoInputIsAdmittedWhileASession_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((phase = "retired") \/ (return_to = "retired")) \/ (phase \in {"unregistered", "stopped"})) \/ ((queued + staged) <= (queued + staged)))

\* F: a session that has retired stays so unless it is started over or ends
\* always, on register, attach, detach, accept_input, drop_input, begin_run, apply_boundary, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, checkpoint, note, retire, archive, recover, destroy: (not ((phase = retired or return_to = retired)) or ((phase' = retired or return_to' = retired) or (phase' = archived or phase' = destroyed)))
FASessionThatHasRetiredStaysSo ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~((phase = "retired") \/ (return_to = "retired")) \/ (((phase' = "retired") \/ (return_to' = "retired")) \/ (phase' \in {"archived", "destroyed"})))
    ]_vars

\* F: a session that has retired stays so unless it is started over or ends: the same for steps that change nothing.
FASessionThatHasRetiredStaysSo_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Recover)
    /\ UNCHANGED vars)
    => (~((phase = "retired") \/ (return_to = "retired")) \/ (((phase = "retired") \/ (return_to = "retired")) \/ (phase \in {"archived", "destroyed"})))

\* a session that is started over takes input again
\* always, on reset, recycle: not ((phase' = retired or return_to' = retired)) and (phase' = idle or phase' = attached)
ASessionThatIsStartedOverTakesInput ==
    [][
    (\/ Reset
     \/ Recycle)
    => (~((phase' = "retired") \/ (return_to' = "retired")) /\ (phase' \in {"idle", "attached"}))
    ]_vars

\* a session that is started over takes input again: the same for steps that change nothing.
ASessionThatIsStartedOverTakesInput_Enabled ==
    ENABLED (
    (\/ Reset
     \/ Recycle)
    /\ UNCHANGED vars)
    => (~((phase = "retired") \/ (return_to = "retired")) /\ (phase \in {"idle", "attached"}))

\* only retiring closes a session to input
\* always, on register, attach, detach, accept_input, drop_input, begin_run, apply_boundary, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, reset, recycle, checkpoint, note, archive, recover, destroy: (not ((phase' = retired or return_to' = retired)) or (phase = retired or return_to = retired))
OnlyRetiringClosesASessionToInput ==
    [][
    (\/ Register
     \/ Attach
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~((phase' = "retired") \/ (return_to' = "retired")) \/ ((phase = "retired") \/ (return_to = "retired")))
    ]_vars

\* only retiring closes a session to input: the same for steps that change nothing.
OnlyRetiringClosesASessionToInput_Enabled ==
    ENABLED (
    (\/ Register
     \/ Attach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Recover)
    /\ UNCHANGED vars)
    => (~((phase = "retired") \/ (return_to = "retired")) \/ ((phase = "retired") \/ (return_to = "retired")))

\* retiring closes a session to input
\* always, on retire: (phase' = retired or return_to' = retired)
RetiringClosesASessionToInput ==
    [][
    (Retire)
    => ((phase' = "retired") \/ (return_to' = "retired"))
    ]_vars

\* retiring closes a session to input: the same for steps that change nothing.
RetiringClosesASessionToInput_Enabled ==
    ENABLED (
    (Retire)
    /\ UNCHANGED vars)
    => ((phase = "retired") \/ (return_to = "retired"))

\* F: retiring never strands the commit of a run: the run goes on as it was
\* always, on retire: (not (phase = running) or phase' = running and run' = run and staged' = staged and sequence' = sequence)
FRetiringNeverStrandsTheCommitOfA ==
    [][
    (Retire)
    => (~(phase = "running") \/ ((phase' = "running") /\ ((run' = run) /\ (staged' = staged) /\ (sequence' = sequence))))
    ]_vars

\* F: retiring never strands the commit of a run: the run goes on as it was: the same for steps that change nothing.
FRetiringNeverStrandsTheCommitOfA_Enabled ==
    ENABLED (
    (Retire)
    /\ UNCHANGED vars)
    => (~(phase = "running") \/ ((phase = "running") /\ ((run = run) /\ (staged = staged) /\ (sequence = sequence))))

\* a session that drains runs only to work off its queue
\* always, on begin_run: (not ((phase = retired or return_to = retired)) or staged' > 0)
ASessionThatDrainsRunsOnlyToWork ==
    [][
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs))
    => (~((phase = "retired") \/ (return_to = "retired")) \/ (staged' > 0))
    ]_vars

\* context comes in only during a run, or where one may follow
\* always, on append_context, stage_context, stage_tool_results: (not ((phase = retired or return_to = retired) and not (phase = running)) or queued > 0)
ContextComesInOnlyDuringARunOr_Enabled ==
    ENABLED (
    (\/ AppendContext
     \/ StageContext
     \/ StageToolResults))
    => (~(((phase = "retired") \/ (return_to = "retired")) /\ ~(phase = "running")) \/ (queued > 0))

\* only a retired session without pending input is archived
\* always, on archive: phase = retired and queued + staged = 0 and phase' = archived
OnlyARetiredSessionWithoutPendingInputIs ==
    [][
    (Archive)
    => (((phase = "retired") /\ ((queued + staged) = 0)) /\ (phase' = "archived"))
    ]_vars

\* a session retires during a run
\* sometimes: phase = running and return_to = retired
\* Some state has it: check this as an invariant, and be shown one.
NeverASessionRetiresDuringARun ==
    ~((phase = "running") /\ (return_to = "retired"))

\* F: from everywhere but destroyed, a session can still be archived
\* always possible, from where not (phase = destroyed): phase = archived
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalFFromEverywhereButDestroyedASessionCan ==
    phase = "archived"

\* From every reachable state of which this holds:
GoalFFromEverywhereButDestroyedASessionCan_From ==
    ~(phase = "destroyed")

\* F: no phase absorbs: a session that has not ended can run again and land a boundary
\* always possible, from where not ((phase = archived or phase = destroyed)): phase = running and sequence > 0
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalFNoPhaseAbsorbsASessionThatHas ==
    (phase = "running") /\ (sequence > 0)

\* From every reachable state of which this holds:
GoalFNoPhaseAbsorbsASessionThatHas_From ==
    ~(phase \in {"archived", "destroyed"})

\* facts, context and checkpoints move nothing
\* always, on append_context, stage_context, stage_tool_results, checkpoint, note: phase' = phase and run' = run and return_to' = return_to and cancel_requested' = cancel_requested and queued' = queued and staged' = staged and sequence' = sequence
FactsContextAndCheckpointsMoveNothing ==
    [][
    (\/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Checkpoint
     \/ Note)
    => ((phase' = phase) /\ (run' = run) /\ (return_to' = return_to) /\ (cancel_requested' = cancel_requested) /\ (queued' = queued) /\ (staged' = staged) /\ (sequence' = sequence))
    ]_vars

\* facts, context and checkpoints move nothing: the same for steps that change nothing.
FactsContextAndCheckpointsMoveNothing_Enabled ==
    ENABLED (
    (\/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Checkpoint
     \/ Note)
    /\ UNCHANGED vars)
    => ((phase = phase) /\ (run = run) /\ (return_to = return_to) /\ (cancel_requested = cancel_requested) /\ (queued = queued) /\ (staged = staged) /\ (sequence = sequence))

\* registering again changes nothing
\* always, on register: (not (not (phase = unregistered)) or phase' = phase and run' = run and return_to' = return_to and cancel_requested' = cancel_requested and queued' = queued and staged' = staged and sequence' = sequence)
RegisteringAgainChangesNothing ==
    [][
    (Register)
    => (~~(phase = "unregistered") \/ ((phase' = phase) /\ (run' = run) /\ (return_to' = return_to) /\ (cancel_requested' = cancel_requested) /\ (queued' = queued) /\ (staged' = staged) /\ (sequence' = sequence)))
    ]_vars

\* registering again changes nothing: the same for steps that change nothing.
RegisteringAgainChangesNothing_Enabled ==
    ENABLED (
    (Register)
    /\ UNCHANGED vars)
    => (~~(phase = "unregistered") \/ ((phase = phase) /\ (run = run) /\ (return_to = return_to) /\ (cancel_requested = cancel_requested) /\ (queued = queued) /\ (staged = staged) /\ (sequence = sequence)))

\* recovering changes nothing where no run was in flight
\* always, on recover: (not (not (phase = running)) or phase' = phase and run' = run and return_to' = return_to and cancel_requested' = cancel_requested and queued' = queued and staged' = staged and sequence' = sequence)
RecoveringChangesNothingWhereNoRunWasIn ==
    [][
    (Recover)
    => (~~(phase = "running") \/ ((phase' = phase) /\ (run' = run) /\ (return_to' = return_to) /\ (cancel_requested' = cancel_requested) /\ (queued' = queued) /\ (staged' = staged) /\ (sequence' = sequence)))
    ]_vars

\* recovering changes nothing where no run was in flight: the same for steps that change nothing.
RecoveringChangesNothingWhereNoRunWasIn_Enabled ==
    ENABLED (
    (Recover)
    /\ UNCHANGED vars)
    => (~~(phase = "running") \/ ((phase = phase) /\ (run = run) /\ (return_to = return_to) /\ (cancel_requested = cancel_requested) /\ (queued = queued) /\ (staged = staged) /\ (sequence = sequence)))

\* only attaching binds an executor
\* always, on register, detach, accept_input, drop_input, begin_run, apply_boundary, complete_run, fail_run, cancel_run, roll_back_run, append_context, stage_context, stage_tool_results, interrupt, cancel_after_boundary, stop, executor_exited, reset, recycle, checkpoint, note, retire, archive, recover, destroy: (not (phase' = attached) or (phase = attached or return_to = attached))
OnlyAttachingBindsAnExecutor ==
    [][
    (\/ Register
     \/ Detach
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Stop
     \/ ExecutorExited
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Archive
     \/ Recover
     \/ Destroy)
    => (~(phase' = "attached") \/ ((phase = "attached") \/ (return_to = "attached")))
    ]_vars

\* only attaching binds an executor: the same for steps that change nothing.
OnlyAttachingBindsAnExecutor_Enabled ==
    ENABLED (
    (\/ Register
     \/ AcceptInput
     \/ \E given_inputs \in 0..input_capacity : DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ AppendContext
     \/ StageContext
     \/ StageToolResults
     \/ Interrupt
     \/ CancelAfterBoundary
     \/ Reset
     \/ Recycle
     \/ Checkpoint
     \/ Note
     \/ Retire
     \/ Recover)
    /\ UNCHANGED vars)
    => (~(phase = "attached") \/ ((phase = "attached") \/ (return_to = "attached")))

\* attaching binds an executor, or lets a retired session work off its queue
\* always, on attach: (phase' = attached or phase' = retired)
AttachingBindsAnExecutorOrLetsARetired ==
    [][
    (Attach)
    => (phase' \in {"attached", "retired"})
    ]_vars

\* attaching binds an executor, or lets a retired session work off its queue: the same for steps that change nothing.
AttachingBindsAnExecutorOrLetsARetired_Enabled ==
    ENABLED (
    (Attach)
    /\ UNCHANGED vars)
    => (phase \in {"attached", "retired"})

\* detaching leaves a session idle
\* always, on detach: phase' = idle
DetachingLeavesASessionIdle ==
    [][
    (Detach)
    => (phase' = "idle")
    ]_vars

\* stopping stops
\* always, on stop, executor_exited: phase' = stopped
StoppingStops ==
    [][
    (\/ Stop
     \/ ExecutorExited)
    => (phase' = "stopped")
    ]_vars

\* destroying ends a session
\* always, on destroy: phase' = destroyed
DestroyingEndsASession ==
    [][
    (Destroy)
    => (phase' = "destroyed")
    ]_vars
=============================================================================
