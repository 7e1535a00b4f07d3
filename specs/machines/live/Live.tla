A TLA+ module, printed from the declared machine live by `perdure spec`. Do not edit; print again.
Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg Live.tla
TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.

-------------------------------- MODULE Live --------------------------------
\* live, printed from its declaration.

EXTENDS Naturals

CONSTANTS
    NONE,               \* no value: no run, nothing remembered
    RunIds,             \* ids, of which the checker takes 2
    input_capacity,     \* a bound: 1024 in a running engine, 2 when checked
    boundary_capacity,  \* a bound: 1000000 in a running engine, 2 when checked
    staging_limit       \* a bound: 3 in a running engine, 3 when checked

ASSUME
    /\ NONE \notin RunIds
    /\ input_capacity \in Nat
    /\ boundary_capacity \in Nat
    /\ staging_limit \in Nat

VARIABLES
    session_phase,
    session_run,
    session_return_to,
    session_cancel_requested,
    session_queued,
    session_staged,
    session_sequence,
    input_phase,
    input_lane,
    input_run,
    input_attempts,
    admission_phase,
    admission_interrupt_requested,
    admission_shutdown_requested,
    gate_phase

vars == <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

TypeOK ==
    /\ session_phase \in {"unregistered", "idle", "attached", "running", "retired", "stopped", "archived", "destroyed"}
    /\ session_run \in RunIds \union {NONE}
    /\ session_return_to \in {"idle", "attached", "retired"} \union {NONE}
    /\ session_cancel_requested \in BOOLEAN
    /\ session_queued \in 0..input_capacity
    /\ session_staged \in 0..input_capacity
    /\ session_sequence \in 0..boundary_capacity
    /\ input_phase \in {"offered", "accepted", "queued", "staged", "applied", "consumed", "superseded", "coalesced", "abandoned"}
    /\ input_lane \in {"queue", "steer"} \union {NONE}
    /\ input_run \in RunIds \union {NONE}
    /\ input_attempts \in 0..staging_limit
    /\ admission_phase \in {"idle", "admitted", "running", "completing", "shut_down"}
    /\ admission_interrupt_requested \in BOOLEAN
    /\ admission_shutdown_requested \in BOOLEAN
    /\ gate_phase \in {"armed", "cancelled", "closed"}

Init ==
    /\ session_phase = "unregistered"
    /\ session_run = NONE
    /\ session_return_to = NONE
    /\ session_cancel_requested = FALSE
    /\ session_queued = 0
    /\ session_staged = 0
    /\ session_sequence = 0
    /\ input_phase = "offered"
    /\ input_lane = NONE
    /\ input_run = NONE
    /\ input_attempts = 0
    /\ admission_phase = "idle"
    /\ admission_interrupt_requested = FALSE
    /\ admission_shutdown_requested = FALSE
    /\ gate_phase = "armed"

\* session.register
SessionRegister ==
    \/ /\ session_phase = "unregistered"
       /\ session_phase' = "idle"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase \in {"idle", "attached", "running", "retired", "stopped"}
       /\ UNCHANGED vars

\* session.attach
SessionAttach ==
    \/ /\ session_phase = "idle"
       /\ session_phase' = "attached"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase \in {"attached", "retired"}
       /\ UNCHANGED vars
    \/ /\ session_phase = "stopped"
       /\ ~(session_return_to = "retired")
       /\ session_phase' = "attached"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "stopped"
       /\ session_return_to = "retired"
       /\ session_phase' = "retired"
       /\ session_return_to' = NONE
       /\ UNCHANGED <<session_run, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* session.detach
SessionDetach ==
    /\ session_phase = "attached"
    /\ session_phase' = "idle"
    /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* session.cancel_after_boundary
SessionCancelAfterBoundary ==
    \/ /\ session_phase = "attached"
       /\ UNCHANGED vars
    \/ /\ session_phase = "running"
       /\ session_cancel_requested' = TRUE
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* session.append_context
SessionAppendContext ==
    \/ /\ session_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session_phase = "stopped"
       /\ ~(session_return_to = "retired") \/ (session_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session_phase = "retired"
       /\ session_queued > 0
       /\ UNCHANGED vars

\* session.stage_context
SessionStageContext ==
    \/ /\ session_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session_phase = "stopped"
       /\ ~(session_return_to = "retired") \/ (session_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session_phase = "retired"
       /\ session_queued > 0
       /\ UNCHANGED vars

\* session.stage_tool_results
SessionStageToolResults ==
    \/ /\ session_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session_phase = "stopped"
       /\ ~(session_return_to = "retired") \/ (session_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session_phase = "retired"
       /\ session_queued > 0
       /\ UNCHANGED vars

\* session.note
SessionNote ==
    /\ session_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* session.retire
SessionRetire ==
    \/ /\ session_phase \in {"idle", "attached"}
       /\ session_phase' = "retired"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "stopped"
       /\ session_phase' = "retired"
       /\ session_return_to' = NONE
       /\ UNCHANGED <<session_run, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to' = "retired"
       /\ UNCHANGED <<session_phase, session_run, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "retired"
       /\ UNCHANGED vars

\* session.recycle
SessionRecycle ==
    \/ /\ session_phase \in {"attached", "idle"}
       /\ UNCHANGED vars
    \/ /\ session_phase = "retired"
       /\ session_phase' = "idle"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "stopped"
       /\ session_phase' = "idle"
       /\ session_return_to' = NONE
       /\ UNCHANGED <<session_run, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* admission.claim
AdmissionClaim ==
    /\ admission_phase = "idle"
    /\ admission_phase' = "admitted"
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* admission.abort_claim
AdmissionAbortClaim ==
    /\ admission_phase = "admitted"
    /\ admission_phase' = "idle"
    /\ admission_interrupt_requested' = FALSE
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_shutdown_requested, gate_phase>>

\* admission.finalise
AdmissionFinalise ==
    \/ /\ admission_phase = "completing"
       /\ ~admission_shutdown_requested
       /\ admission_phase' = "idle"
       /\ admission_interrupt_requested' = FALSE
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_shutdown_requested, gate_phase>>
    \/ /\ admission_phase = "completing"
       /\ admission_shutdown_requested
       /\ admission_phase' = "shut_down"
       /\ admission_interrupt_requested' = FALSE
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_shutdown_requested, gate_phase>>

\* admission.request_shutdown
AdmissionRequestShutdown ==
    \/ /\ admission_phase = "idle"
       /\ admission_phase' = "shut_down"
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ admission_phase = "admitted"
       /\ admission_phase' = "shut_down"
       /\ admission_interrupt_requested' = FALSE
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_shutdown_requested, gate_phase>>
    \/ /\ admission_phase \in {"running", "completing"}
       /\ admission_shutdown_requested' = TRUE
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, gate_phase>>

\* gate.cancel
GateCancel ==
    \/ /\ gate_phase = "armed"
       /\ gate_phase' = "cancelled"
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ gate_phase = "cancelled"
       /\ UNCHANGED vars

\* gate.rearm
GateRearm ==
    \/ /\ gate_phase = "armed"
       /\ UNCHANGED vars
    \/ /\ gate_phase = "cancelled"
       /\ gate_phase' = "armed"
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>

\* accept_input
AcceptInput(given_lane) ==
    \/ /\ session_phase \in {"idle", "attached"}
       /\ (session_queued + session_staged) < input_capacity
       /\ input_phase = "offered"
       /\ session_queued' = session_queued + 1
       /\ input_phase' = "queued"
       /\ input_lane' = given_lane
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ (session_queued + session_staged) < input_capacity
       /\ ~(session_return_to = "retired")
       /\ input_phase = "offered"
       /\ session_queued' = session_queued + 1
       /\ input_phase' = "queued"
       /\ input_lane' = given_lane
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* begin_run
BeginRun(given_run, given_inputs) ==
    \/ /\ session_phase = "idle"
       /\ given_inputs <= session_queued
       /\ admission_phase = "admitted"
       /\ given_inputs = 0
       /\ session_phase' = "running"
       /\ session_run' = given_run
       /\ session_queued' = session_queued - given_inputs
       /\ session_staged' = given_inputs
       /\ session_return_to' = "idle"
       /\ admission_phase' = "running"
       /\ UNCHANGED <<session_cancel_requested, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "attached"
       /\ given_inputs <= session_queued
       /\ admission_phase = "admitted"
       /\ given_inputs = 0
       /\ session_phase' = "running"
       /\ session_run' = given_run
       /\ session_queued' = session_queued - given_inputs
       /\ session_staged' = given_inputs
       /\ session_return_to' = "attached"
       /\ admission_phase' = "running"
       /\ UNCHANGED <<session_cancel_requested, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* begin_run_staging
BeginRunStaging(given_run, given_inputs) ==
    \/ /\ session_phase = "idle"
       /\ given_inputs <= session_queued
       /\ input_phase = "queued"
       /\ admission_phase = "admitted"
       /\ given_inputs = 1
       /\ session_phase' = "running"
       /\ session_run' = given_run
       /\ session_queued' = session_queued - given_inputs
       /\ session_staged' = given_inputs
       /\ session_return_to' = "idle"
       /\ input_phase' = "staged"
       /\ input_run' = given_run
       /\ input_attempts' = input_attempts + 1
       /\ admission_phase' = "running"
       /\ UNCHANGED <<session_cancel_requested, session_sequence, input_lane, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "attached"
       /\ given_inputs <= session_queued
       /\ input_phase = "queued"
       /\ admission_phase = "admitted"
       /\ given_inputs = 1
       /\ session_phase' = "running"
       /\ session_run' = given_run
       /\ session_queued' = session_queued - given_inputs
       /\ session_staged' = given_inputs
       /\ session_return_to' = "attached"
       /\ input_phase' = "staged"
       /\ input_run' = given_run
       /\ input_attempts' = input_attempts + 1
       /\ admission_phase' = "running"
       /\ UNCHANGED <<session_cancel_requested, session_sequence, input_lane, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= session_queued
       /\ input_phase = "queued"
       /\ admission_phase = "admitted"
       /\ given_inputs = 1
       /\ session_phase' = "running"
       /\ session_run' = given_run
       /\ session_queued' = session_queued - given_inputs
       /\ session_staged' = given_inputs
       /\ session_return_to' = "retired"
       /\ input_phase' = "staged"
       /\ input_run' = given_run
       /\ input_attempts' = input_attempts + 1
       /\ admission_phase' = "running"
       /\ UNCHANGED <<session_cancel_requested, session_sequence, input_lane, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* apply_boundary
ApplyBoundary(given_run, given_inputs) ==
    /\ session_phase = "running"
    /\ session_run = given_run
    /\ given_inputs <= session_queued
    /\ session_sequence < boundary_capacity
    /\ given_inputs = 0
    /\ ~(input_phase = "staged")
    /\ session_queued' = session_queued - given_inputs
    /\ session_staged' = given_inputs
    /\ session_sequence' = session_sequence + 1
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* apply_boundary_naming_input
ApplyBoundaryNamingInput(given_run, given_inputs) ==
    /\ session_phase = "running"
    /\ session_run = given_run
    /\ given_inputs <= session_queued
    /\ session_sequence < boundary_capacity
    /\ input_phase = "staged"
    /\ input_run = given_run
    /\ session_queued' = session_queued - given_inputs
    /\ session_staged' = given_inputs
    /\ session_sequence' = session_sequence + 1
    /\ input_phase' = "applied"
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* apply_boundary_steering
ApplyBoundarySteering(given_run, given_inputs) ==
    /\ session_phase = "running"
    /\ session_run = given_run
    /\ given_inputs <= session_queued
    /\ session_sequence < boundary_capacity
    /\ input_phase = "queued"
    /\ given_inputs = 1
    /\ input_lane = "steer"
    /\ session_queued' = session_queued - given_inputs
    /\ session_staged' = given_inputs
    /\ session_sequence' = session_sequence + 1
    /\ input_phase' = "staged"
    /\ input_run' = given_run
    /\ input_attempts' = input_attempts + 1
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, input_lane, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* supersede_input
SupersedeInput(given_inputs) ==
    /\ session_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ given_inputs > 0
    /\ given_inputs <= session_queued
    /\ input_phase = "queued"
    /\ input_phase = "queued"
    /\ session_queued' = session_queued - given_inputs
    /\ input_phase' = "superseded"
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* coalesce_input
CoalesceInput(given_inputs) ==
    /\ session_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ given_inputs > 0
    /\ given_inputs <= session_queued
    /\ input_phase = "queued"
    /\ input_phase = "queued"
    /\ session_queued' = session_queued - given_inputs
    /\ input_phase' = "coalesced"
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* abandon_input
AbandonInput(given_inputs) ==
    /\ session_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ given_inputs > 0
    /\ given_inputs <= session_queued
    /\ input_phase = "queued"
    /\ input_phase = "queued"
    /\ session_queued' = session_queued - given_inputs
    /\ input_phase' = "abandoned"
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* interrupt
Interrupt ==
    /\ session_phase = "attached"
    /\ ~(session_phase = "running")
    /\ UNCHANGED vars

\* recover
Recover ==
    /\ session_phase \in {"idle", "attached", "retired", "stopped"}
    /\ ~(session_phase = "running")
    /\ UNCHANGED vars

\* stop
Stop ==
    \/ /\ session_phase \in {"idle", "attached"}
       /\ ~(session_phase = "running")
       /\ session_phase' = "stopped"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "retired"
       /\ ~(session_phase = "running")
       /\ session_phase' = "stopped"
       /\ session_return_to' = "retired"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* executor_exited
ExecutorExited ==
    \/ /\ session_phase \in {"idle", "attached"}
       /\ ~(session_phase = "running")
       /\ session_phase' = "stopped"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "retired"
       /\ ~(session_phase = "running")
       /\ session_phase' = "stopped"
       /\ session_return_to' = "retired"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* interrupt_running
InterruptRunning ==
    /\ session_phase = "running"
    /\ admission_phase = "running"
    /\ session_phase = "running"
    /\ admission_phase = "running"
    /\ session_cancel_requested' = TRUE
    /\ admission_interrupt_requested' = TRUE
    /\ UNCHANGED <<session_phase, session_run, session_return_to, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_shutdown_requested, gate_phase>>

\* checkpoint
Checkpoint ==
    /\ session_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ gate_phase = "armed"
    /\ UNCHANGED vars

\* archive
Archive ==
    \/ /\ session_phase = "retired"
       /\ session_queued = 0
       /\ gate_phase = "armed"
       /\ session_phase' = "archived"
       /\ gate_phase' = "closed"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "retired"
       /\ session_queued = 0
       /\ gate_phase = "cancelled"
       /\ session_phase' = "archived"
       /\ gate_phase' = "closed"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_queued, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>

\* complete_run
CompleteRun(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ session_staged = 0
    /\ admission_phase = "running"
    /\ ~(input_phase \in {"staged", "applied"})
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<session_queued, session_staged, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* complete_run_consuming
CompleteRunConsuming(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ session_staged = 0
    /\ input_phase = "applied"
    /\ input_run = given_run
    /\ admission_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ input_phase' = "consumed"
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<session_queued, session_staged, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* fail_run
FailRun(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ admission_phase = "running"
    /\ ~(input_phase \in {"staged", "applied"})
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* fail_run_consuming
FailRunConsuming(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ input_phase = "applied"
    /\ input_run = given_run
    /\ admission_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "consumed"
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* cancel_run
CancelRun(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ admission_phase = "running"
    /\ ~(input_phase \in {"staged", "applied"})
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* cancel_run_consuming
CancelRunConsuming(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ input_phase = "applied"
    /\ input_run = given_run
    /\ admission_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "consumed"
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* roll_back_run
RollBackRun(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ admission_phase = "running"
    /\ ~(input_phase \in {"staged", "applied"})
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* roll_back_run_consuming
RollBackRunConsuming(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ input_phase = "applied"
    /\ input_run = given_run
    /\ admission_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "consumed"
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* recover_running
RecoverRunning ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ admission_phase = "running"
    /\ ~(input_phase \in {"staged", "applied"})
    /\ session_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* recover_running_consuming
RecoverRunningConsuming(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ input_phase = "applied"
    /\ input_run = given_run
    /\ admission_phase = "running"
    /\ session_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "consumed"
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* stop_running
StopRunning ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ admission_phase = "running"
       /\ ~(input_phase \in {"staged", "applied"})
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ admission_phase = "running"
       /\ ~(input_phase \in {"staged", "applied"})
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* stop_running_consuming
StopRunningConsuming(given_run) ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ input_phase = "applied"
       /\ input_run = given_run
       /\ admission_phase = "running"
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "consumed"
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ input_phase = "applied"
       /\ input_run = given_run
       /\ admission_phase = "running"
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "consumed"
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* executor_exited_running
ExecutorExitedRunning ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ admission_phase = "running"
       /\ ~(input_phase \in {"staged", "applied"})
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ admission_phase = "running"
       /\ ~(input_phase \in {"staged", "applied"})
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* executor_exited_running_consuming
ExecutorExitedRunningConsuming(given_run) ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ input_phase = "applied"
       /\ input_run = given_run
       /\ admission_phase = "running"
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "consumed"
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ input_phase = "applied"
       /\ input_run = given_run
       /\ admission_phase = "running"
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "consumed"
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* fail_run_giving_back
FailRunGivingBack(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ input_phase = "staged"
    /\ input_run = given_run
    /\ input_attempts < staging_limit
    /\ admission_phase = "running"
    /\ ~(input_attempts = staging_limit)
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "queued"
    /\ input_run' = NONE
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* fail_run_giving_up
FailRunGivingUp(given_run, given_inputs) ==
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "idle"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "attached"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* cancel_run_giving_back
CancelRunGivingBack(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ input_phase = "staged"
    /\ input_run = given_run
    /\ input_attempts < staging_limit
    /\ admission_phase = "running"
    /\ ~(input_attempts = staging_limit)
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "queued"
    /\ input_run' = NONE
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* cancel_run_giving_up
CancelRunGivingUp(given_run, given_inputs) ==
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "idle"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "attached"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* roll_back_run_giving_back
RollBackRunGivingBack(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ session_run = given_run
    /\ input_phase = "staged"
    /\ input_run = given_run
    /\ input_attempts < staging_limit
    /\ admission_phase = "running"
    /\ ~(input_attempts = staging_limit)
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "queued"
    /\ input_run' = NONE
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* roll_back_run_giving_up
RollBackRunGivingUp(given_run, given_inputs) ==
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "idle"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "attached"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_run = given_run
       /\ session_return_to = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* recover_running_giving_back
RecoverRunningGivingBack(given_run) ==
    /\ session_phase = "running"
    /\ session_return_to # NONE
    /\ input_phase = "staged"
    /\ input_run = given_run
    /\ input_attempts < staging_limit
    /\ admission_phase = "running"
    /\ ~(input_attempts = staging_limit)
    /\ session_phase = "running"
    /\ session_phase' = session_return_to
    /\ session_run' = NONE
    /\ session_cancel_requested' = FALSE
    /\ session_sequence' = 0
    /\ session_return_to' = NONE
    /\ session_queued' = session_queued + session_staged
    /\ session_staged' = 0
    /\ input_phase' = "queued"
    /\ input_run' = NONE
    /\ admission_phase' = "completing"
    /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* recover_running_giving_up
RecoverRunningGivingUp(given_inputs, given_run) ==
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_return_to = "idle"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_return_to = "attached"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to # NONE
       /\ session_return_to = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = session_return_to
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* stop_running_giving_back
StopRunningGivingBack(given_run) ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts < staging_limit
       /\ admission_phase = "running"
       /\ ~(input_attempts = staging_limit)
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "queued"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts < staging_limit
       /\ admission_phase = "running"
       /\ ~(input_attempts = staging_limit)
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "queued"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* stop_running_giving_up
StopRunningGivingUp(given_inputs, given_run) ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* executor_exited_running_giving_back
ExecutorExitedRunningGivingBack(given_run) ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts < staging_limit
       /\ admission_phase = "running"
       /\ ~(input_attempts = staging_limit)
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "queued"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts < staging_limit
       /\ admission_phase = "running"
       /\ ~(input_attempts = staging_limit)
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = session_queued + session_staged
       /\ session_staged' = 0
       /\ input_phase' = "queued"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* executor_exited_running_giving_up
ExecutorExitedRunningGivingUp(given_inputs, given_run) ==
    \/ /\ session_phase = "running"
       /\ ~(session_return_to = "retired")
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "running"
       /\ session_return_to = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= (session_queued + session_staged)
       /\ input_phase = "staged"
       /\ input_run = given_run
       /\ input_attempts = staging_limit
       /\ admission_phase = "running"
       /\ input_attempts = staging_limit
       /\ session_phase = "running"
       /\ session_phase' = "stopped"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_queued' = (session_queued + session_staged) - given_inputs
       /\ session_staged' = 0
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<session_return_to, input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* reset
Reset ==
    \/ /\ session_phase \in {"attached", "idle"}
       /\ ~(input_phase = "queued")
       /\ session_queued' = 0
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "retired"
       /\ ~(input_phase = "queued")
       /\ session_phase' = "idle"
       /\ session_queued' = 0
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "stopped"
       /\ ~(input_phase = "queued")
       /\ session_phase' = "idle"
       /\ session_queued' = 0
       /\ session_return_to' = NONE
       /\ UNCHANGED <<session_run, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* reset_abandoning
ResetAbandoning ==
    \/ /\ session_phase \in {"attached", "idle"}
       /\ input_phase = "queued"
       /\ input_phase = "queued"
       /\ session_queued' = 0
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_phase, session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "retired"
       /\ input_phase = "queued"
       /\ input_phase = "queued"
       /\ session_phase' = "idle"
       /\ session_queued' = 0
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>
    \/ /\ session_phase = "stopped"
       /\ input_phase = "queued"
       /\ input_phase = "queued"
       /\ session_phase' = "idle"
       /\ session_queued' = 0
       /\ session_return_to' = NONE
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested, gate_phase>>

\* destroy
Destroy ==
    \/ /\ session_phase \in {"idle", "attached", "retired"}
       /\ gate_phase = "armed"
       /\ ~(session_phase = "running")
       /\ ~(input_phase = "queued")
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ gate_phase' = "closed"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase \in {"idle", "attached", "retired"}
       /\ gate_phase = "cancelled"
       /\ ~(session_phase = "running")
       /\ ~(input_phase = "queued")
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ gate_phase' = "closed"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "stopped"
       /\ gate_phase = "armed"
       /\ ~(session_phase = "running")
       /\ ~(input_phase = "queued")
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ session_return_to' = NONE
       /\ gate_phase' = "closed"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "stopped"
       /\ gate_phase = "cancelled"
       /\ ~(session_phase = "running")
       /\ ~(input_phase = "queued")
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ session_return_to' = NONE
       /\ gate_phase' = "closed"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_staged, session_sequence, input_phase, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>

\* destroy_abandoning
DestroyAbandoning ==
    \/ /\ session_phase \in {"idle", "attached", "retired"}
       /\ gate_phase = "armed"
       /\ input_phase = "queued"
       /\ ~(session_phase = "running")
       /\ input_phase = "queued"
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ gate_phase' = "closed"
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase \in {"idle", "attached", "retired"}
       /\ gate_phase = "cancelled"
       /\ input_phase = "queued"
       /\ ~(session_phase = "running")
       /\ input_phase = "queued"
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ gate_phase' = "closed"
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_run, session_return_to, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "stopped"
       /\ gate_phase = "armed"
       /\ input_phase = "queued"
       /\ ~(session_phase = "running")
       /\ input_phase = "queued"
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ session_return_to' = NONE
       /\ gate_phase' = "closed"
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "stopped"
       /\ gate_phase = "cancelled"
       /\ input_phase = "queued"
       /\ ~(session_phase = "running")
       /\ input_phase = "queued"
       /\ session_phase' = "destroyed"
       /\ session_queued' = 0
       /\ session_return_to' = NONE
       /\ gate_phase' = "closed"
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<session_run, session_cancel_requested, session_staged, session_sequence, input_lane, input_run, input_attempts, admission_phase, admission_interrupt_requested, admission_shutdown_requested>>

\* destroy_running
DestroyRunning ==
    \/ /\ session_phase = "running"
       /\ gate_phase = "armed"
       /\ admission_phase = "running"
       /\ session_phase = "running"
       /\ ~(input_phase \in {"staged", "applied"})
       /\ ~(input_phase = "queued")
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "running"
       /\ gate_phase = "cancelled"
       /\ admission_phase = "running"
       /\ session_phase = "running"
       /\ ~(input_phase \in {"staged", "applied"})
       /\ ~(input_phase = "queued")
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ UNCHANGED <<input_phase, input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>

\* destroy_running_abandoning
DestroyRunningAbandoning ==
    \/ /\ session_phase = "running"
       /\ gate_phase = "armed"
       /\ admission_phase = "running"
       /\ input_phase = "queued"
       /\ session_phase = "running"
       /\ input_phase \in {"queued", "staged"}
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "running"
       /\ gate_phase = "armed"
       /\ admission_phase = "running"
       /\ input_phase = "staged"
       /\ session_phase = "running"
       /\ input_phase \in {"queued", "staged"}
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "running"
       /\ gate_phase = "cancelled"
       /\ admission_phase = "running"
       /\ input_phase = "queued"
       /\ session_phase = "running"
       /\ input_phase \in {"queued", "staged"}
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ input_phase' = "abandoned"
       /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "running"
       /\ gate_phase = "cancelled"
       /\ admission_phase = "running"
       /\ input_phase = "staged"
       /\ session_phase = "running"
       /\ input_phase \in {"queued", "staged"}
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ input_phase' = "abandoned"
       /\ input_run' = NONE
       /\ UNCHANGED <<input_lane, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>

\* destroy_running_consuming
DestroyRunningConsuming(given_run) ==
    \/ /\ session_phase = "running"
       /\ gate_phase = "armed"
       /\ admission_phase = "running"
       /\ input_phase = "applied"
       /\ input_run = given_run
       /\ session_phase = "running"
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ input_phase' = "consumed"
       /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>
    \/ /\ session_phase = "running"
       /\ gate_phase = "cancelled"
       /\ admission_phase = "running"
       /\ input_phase = "applied"
       /\ input_run = given_run
       /\ session_phase = "running"
       /\ session_phase' = "destroyed"
       /\ session_run' = NONE
       /\ session_cancel_requested' = FALSE
       /\ session_sequence' = 0
       /\ session_return_to' = NONE
       /\ session_queued' = 0
       /\ session_staged' = 0
       /\ gate_phase' = "closed"
       /\ admission_phase' = "completing"
       /\ input_phase' = "consumed"
       /\ UNCHANGED <<input_lane, input_run, input_attempts, admission_interrupt_requested, admission_shutdown_requested>>

\* Every step of the declaration.
Step ==
    \/ SessionRegister
    \/ SessionAttach
    \/ SessionDetach
    \/ SessionCancelAfterBoundary
    \/ SessionAppendContext
    \/ SessionStageContext
    \/ SessionStageToolResults
    \/ SessionNote
    \/ SessionRetire
    \/ SessionRecycle
    \/ AdmissionClaim
    \/ AdmissionAbortClaim
    \/ AdmissionFinalise
    \/ AdmissionRequestShutdown
    \/ GateCancel
    \/ GateRearm
    \/ \E given_lane \in {"queue", "steer"} : AcceptInput(given_lane)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRunStaging(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundaryNamingInput(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundarySteering(given_run, given_inputs)
    \/ \E given_inputs \in 0..input_capacity : SupersedeInput(given_inputs)
    \/ \E given_inputs \in 0..input_capacity : CoalesceInput(given_inputs)
    \/ \E given_inputs \in 0..input_capacity : AbandonInput(given_inputs)
    \/ Interrupt
    \/ Recover
    \/ Stop
    \/ ExecutorExited
    \/ InterruptRunning
    \/ Checkpoint
    \/ Archive
    \/ \E given_run \in RunIds : CompleteRun(given_run)
    \/ \E given_run \in RunIds : CompleteRunConsuming(given_run)
    \/ \E given_run \in RunIds : FailRun(given_run)
    \/ \E given_run \in RunIds : FailRunConsuming(given_run)
    \/ \E given_run \in RunIds : CancelRun(given_run)
    \/ \E given_run \in RunIds : CancelRunConsuming(given_run)
    \/ \E given_run \in RunIds : RollBackRun(given_run)
    \/ \E given_run \in RunIds : RollBackRunConsuming(given_run)
    \/ RecoverRunning
    \/ \E given_run \in RunIds : RecoverRunningConsuming(given_run)
    \/ StopRunning
    \/ \E given_run \in RunIds : StopRunningConsuming(given_run)
    \/ ExecutorExitedRunning
    \/ \E given_run \in RunIds : ExecutorExitedRunningConsuming(given_run)
    \/ \E given_run \in RunIds : FailRunGivingBack(given_run)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs)
    \/ \E given_run \in RunIds : CancelRunGivingBack(given_run)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : CancelRunGivingUp(given_run, given_inputs)
    \/ \E given_run \in RunIds : RollBackRunGivingBack(given_run)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : RollBackRunGivingUp(given_run, given_inputs)
    \/ \E given_run \in RunIds : RecoverRunningGivingBack(given_run)
    \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : RecoverRunningGivingUp(given_inputs, given_run)
    \/ \E given_run \in RunIds : StopRunningGivingBack(given_run)
    \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : StopRunningGivingUp(given_inputs, given_run)
    \/ \E given_run \in RunIds : ExecutorExitedRunningGivingBack(given_run)
    \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : ExecutorExitedRunningGivingUp(given_inputs, given_run)
    \/ Reset
    \/ ResetAbandoning
    \/ Destroy
    \/ DestroyAbandoning
    \/ DestroyRunning
    \/ DestroyRunningAbandoning
    \/ \E given_run \in RunIds : DestroyRunningConsuming(given_run)

\* Nothing needs to happen any more: being finished is no deadlock.
Done ==
    /\ session_phase \in {"archived", "destroyed"}
    /\ UNCHANGED vars

Next == Step \/ Done

\* What stays possible without a break happens at last.
Fairness ==
    /\ WF_vars(\E given_run \in RunIds : FailRun(given_run))
    /\ WF_vars(\E given_run \in RunIds : FailRunConsuming(given_run))
    /\ WF_vars(\E given_run \in RunIds : FailRunGivingBack(given_run))
    /\ WF_vars(\E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs))
    /\ WF_vars(AdmissionFinalise)

Spec == Init /\ [][Next]_vars /\ Fairness

\* one run at a time, and only under a claim that was admitted
\* always: (not (session.phase = running) or admission.phase = running) and (not (admission.phase = running) or session.phase = running)
OneRunAtATimeAndOnlyUnder ==
    (~(session_phase = "running") \/ (admission_phase = "running")) /\ (~(admission_phase = "running") \/ (session_phase = "running"))

\* an input in a run is in the current run
\* always: (not ((input.phase = staged or input.phase = applied)) or session.phase = running and input.run = session.run)
AnInputInARunIsInThe ==
    ~(input_phase \in {"staged", "applied"}) \/ ((session_phase = "running") /\ (input_run = session_run))

\* an interrupt of a run reaches its claim, and one of a claim reaches its run
\* always, on interrupt, interrupt_running: (not (session.phase = running) or admission.interrupt_requested') and (not (session.phase = running) or session.cancel_requested')
AnInterruptOfARunReachesItsClaim ==
    [][
    (\/ Interrupt
     \/ InterruptRunning)
    => ((~(session_phase = "running") \/ admission_interrupt_requested') /\ (~(session_phase = "running") \/ session_cancel_requested'))
    ]_vars

\* an interrupt of a run reaches its claim, and one of a claim reaches its run: the same for steps that change nothing.
AnInterruptOfARunReachesItsClaim_Enabled ==
    ENABLED (
    (\/ Interrupt
     \/ InterruptRunning)
    /\ UNCHANGED vars)
    => ((~(session_phase = "running") \/ admission_interrupt_requested) /\ (~(session_phase = "running") \/ session_cancel_requested))

\* a run ends at last, if one that does not end otherwise fails
\* session.phase = running leads to not (session.phase = running)
ARunEndsAtLastIfOneThat ==
    (session_phase = "running") ~> ~(session_phase = "running")

\* a requested shutdown comes at last
\* admission.shutdown_requested leads to admission.phase = shut_down
ARequestedShutdownComesAtLast ==
    admission_shutdown_requested ~> (admission_phase = "shut_down")

\* C: the session counts as queued and staged just what is
\* always: (not (session.queued = 1) or input.phase = queued) and (not (input.phase = queued) or session.queued = 1) and (not (session.staged = 1) or input.phase = staged) and (not (input.phase = staged) or session.staged = 1) and session.queued + session.staged <= 1
CTheSessionCountsAsQueuedAndStaged ==
    (((~(session_queued = 1) \/ (input_phase = "queued")) /\ (~(input_phase = "queued") \/ (session_queued = 1))) /\ ((~(session_staged = 1) \/ (input_phase = "staged")) /\ (~(input_phase = "staged") \/ (session_staged = 1)))) /\ ((session_queued + session_staged) <= 1)

\* C: an input that a receipt names is never queued or staged again
\* always: (not ((input.phase = applied or input.phase = consumed)) or (input.phase' = applied or input.phase' = consumed))
CAnInputThatAReceiptNamesIs ==
    [][
    (~(input_phase \in {"applied", "consumed"}) \/ (input_phase' \in {"applied", "consumed"}))
    ]_vars

\* C: an input that a receipt names is never queued or staged again: the same for steps that change nothing.
CAnInputThatAReceiptNamesIs_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(input_phase \in {"applied", "consumed"}) \/ (input_phase \in {"applied", "consumed"}))

\* C: a receipt names an input only where a boundary writes it
\* always: (not (not (input.phase = applied) and input.phase' = applied) or session.sequence' = session.sequence + 1)
CAReceiptNamesAnInputOnlyWhere ==
    [][
    (~(~(input_phase = "applied") /\ (input_phase' = "applied")) \/ (session_sequence' = (session_sequence + 1)))
    ]_vars

\* C: a receipt names an input only where a boundary writes it: the same for steps that change nothing.
CAReceiptNamesAnInputOnlyWhere_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(~(input_phase = "applied") /\ (input_phase = "applied")) \/ (session_sequence = (session_sequence + 1)))

\* C: however a run ends, it consumes what a receipt names, and gives back what none does, or gives that up if it was staged too often
\* always, on complete_run, complete_run_consuming, fail_run, fail_run_consuming, cancel_run, cancel_run_consuming, roll_back_run, roll_back_run_consuming, recover_running, recover_running_consuming, stop_running, stop_running_consuming, executor_exited_running, executor_exited_running_consuming, fail_run_giving_back, fail_run_giving_up, cancel_run_giving_back, cancel_run_giving_up, roll_back_run_giving_back, roll_back_run_giving_up, recover_running_giving_back, recover_running_giving_up, stop_running_giving_back, stop_running_giving_up, executor_exited_running_giving_back, executor_exited_running_giving_up: (not (input.phase = applied) or input.phase' = consumed) and (not (input.phase = staged) or (input.phase' = queued or input.phase' = abandoned and input.attempts = staging_limit)) and (not (not ((input.phase = applied or input.phase = staged))) or input.phase' = input.phase)
CHoweverARunEndsItConsumesWhat ==
    [][
    (\/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : CompleteRunConsuming(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : FailRunConsuming(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : CancelRunConsuming(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ \E given_run \in RunIds : RollBackRunConsuming(given_run)
     \/ RecoverRunning
     \/ \E given_run \in RunIds : RecoverRunningConsuming(given_run)
     \/ StopRunning
     \/ \E given_run \in RunIds : StopRunningConsuming(given_run)
     \/ ExecutorExitedRunning
     \/ \E given_run \in RunIds : ExecutorExitedRunningConsuming(given_run)
     \/ \E given_run \in RunIds : FailRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : CancelRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : CancelRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RollBackRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : RollBackRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RecoverRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : RecoverRunningGivingUp(given_inputs, given_run)
     \/ \E given_run \in RunIds : StopRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : StopRunningGivingUp(given_inputs, given_run)
     \/ \E given_run \in RunIds : ExecutorExitedRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : ExecutorExitedRunningGivingUp(given_inputs, given_run))
    => (((~(input_phase = "applied") \/ (input_phase' = "consumed")) /\ (~(input_phase = "staged") \/ ((input_phase' = "queued") \/ ((input_phase' = "abandoned") /\ (input_attempts = staging_limit))))) /\ (~~(input_phase \in {"applied", "staged"}) \/ ((input_phase' = input_phase))))
    ]_vars

\* C: however a run ends, it consumes what a receipt names, and gives back what none does, or gives that up if it was staged too often: the same for steps that change nothing.
CHoweverARunEndsItConsumesWhat_Enabled ==
    ENABLED (
    (\/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : CompleteRunConsuming(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : FailRunConsuming(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : CancelRunConsuming(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ \E given_run \in RunIds : RollBackRunConsuming(given_run)
     \/ RecoverRunning
     \/ \E given_run \in RunIds : RecoverRunningConsuming(given_run)
     \/ \E given_run \in RunIds : FailRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : CancelRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : CancelRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RollBackRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : RollBackRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RecoverRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : RecoverRunningGivingUp(given_inputs, given_run))
    /\ UNCHANGED vars)
    => (((~(input_phase = "applied") \/ (input_phase = "consumed")) /\ (~(input_phase = "staged") \/ ((input_phase = "queued") \/ ((input_phase = "abandoned") /\ (input_attempts = staging_limit))))) /\ (~~(input_phase \in {"applied", "staged"}) \/ ((input_phase = input_phase))))

\* a run that has begun takes up only input that steers
\* always: (not (session.phase = running and not (input.phase = staged) and input.phase' = staged) or input.lane = steer)
ARunThatHasBegunTakesUpOnly ==
    [][
    (~(((session_phase = "running") /\ ~(input_phase = "staged")) /\ (input_phase' = "staged")) \/ (input_lane = "steer"))
    ]_vars

\* a run that has begun takes up only input that steers: the same for steps that change nothing.
ARunThatHasBegunTakesUpOnly_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((session_phase = "running") /\ ~(input_phase = "staged")) /\ (input_phase = "staged")) \/ (input_lane = "steer"))

\* an input that a run gave back is consumed by a later one
\* sometimes: input.phase = consumed and input.attempts > 1
\* Some state has it: check this as an invariant, and be shown one.
NeverAnInputThatARunGaveBackIs ==
    ~((input_phase = "consumed") /\ (input_attempts > 1))

\* an input is given up
\* sometimes: input.phase = abandoned and input.attempts = staging_limit
\* Some state has it: check this as an invariant, and be shown one.
NeverAnInputIsGivenUp ==
    ~((input_phase = "abandoned") /\ (input_attempts = staging_limit))

\* an input that steers is taken up by a run that had begun without it
\* sometimes: input.phase = staged and input.lane = steer and session.sequence > 0
\* Some state has it: check this as an invariant, and be shown one.
NeverAnInputThatSteersIsTakenUpBy ==
    ~(((input_phase = "staged") /\ (input_lane = "steer")) /\ (session_sequence > 0))

\* E: the receipts of a run have sequences that strictly increase
\* always, on apply_boundary, apply_boundary_naming_input, apply_boundary_steering: session.sequence' = session.sequence + 1
ETheReceiptsOfARunHaveSequences ==
    [][
    (\/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundaryNamingInput(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundarySteering(given_run, given_inputs))
    => (session_sequence' = (session_sequence + 1))
    ]_vars

\* E: the receipts of a run have sequences that strictly increase: the same for steps that change nothing.
ETheReceiptsOfARunHaveSequences_Enabled ==
    ENABLED (
    (\/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundaryNamingInput(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundarySteering(given_run, given_inputs))
    /\ UNCHANGED vars)
    => (session_sequence = (session_sequence + 1))

\* E: only a boundary of a run that goes on writes a receipt
\* always, on accept_input, begin_run, begin_run_staging, supersede_input, coalesce_input, abandon_input, interrupt, recover, stop, executor_exited, interrupt_running, checkpoint, archive, complete_run, complete_run_consuming, fail_run, fail_run_consuming, cancel_run, cancel_run_consuming, roll_back_run, roll_back_run_consuming, recover_running, recover_running_consuming, stop_running, stop_running_consuming, executor_exited_running, executor_exited_running_consuming, fail_run_giving_back, fail_run_giving_up, cancel_run_giving_back, cancel_run_giving_up, roll_back_run_giving_back, roll_back_run_giving_up, recover_running_giving_back, recover_running_giving_up, stop_running_giving_back, stop_running_giving_up, executor_exited_running_giving_back, executor_exited_running_giving_up, reset, reset_abandoning, destroy, destroy_abandoning, destroy_running, destroy_running_abandoning, destroy_running_consuming, session.register, session.attach, session.detach, session.cancel_after_boundary, session.append_context, session.stage_context, session.stage_tool_results, session.note, session.retire, session.recycle: (not (session.phase' = running) or session.sequence' = session.sequence)
EOnlyABoundaryOfARunThat ==
    [][
    (\/ \E given_lane \in {"queue", "steer"} : AcceptInput(given_lane)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRunStaging(given_run, given_inputs)
     \/ \E given_inputs \in 0..input_capacity : SupersedeInput(given_inputs)
     \/ \E given_inputs \in 0..input_capacity : CoalesceInput(given_inputs)
     \/ \E given_inputs \in 0..input_capacity : AbandonInput(given_inputs)
     \/ Interrupt
     \/ Recover
     \/ Stop
     \/ ExecutorExited
     \/ InterruptRunning
     \/ Checkpoint
     \/ Archive
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : CompleteRunConsuming(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : FailRunConsuming(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : CancelRunConsuming(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ \E given_run \in RunIds : RollBackRunConsuming(given_run)
     \/ RecoverRunning
     \/ \E given_run \in RunIds : RecoverRunningConsuming(given_run)
     \/ StopRunning
     \/ \E given_run \in RunIds : StopRunningConsuming(given_run)
     \/ ExecutorExitedRunning
     \/ \E given_run \in RunIds : ExecutorExitedRunningConsuming(given_run)
     \/ \E given_run \in RunIds : FailRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : CancelRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : CancelRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RollBackRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : RollBackRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RecoverRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : RecoverRunningGivingUp(given_inputs, given_run)
     \/ \E given_run \in RunIds : StopRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : StopRunningGivingUp(given_inputs, given_run)
     \/ \E given_run \in RunIds : ExecutorExitedRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : ExecutorExitedRunningGivingUp(given_inputs, given_run)
     \/ Reset
     \/ ResetAbandoning
     \/ Destroy
     \/ DestroyAbandoning
     \/ DestroyRunning
     \/ DestroyRunningAbandoning
     \/ \E given_run \in RunIds : DestroyRunningConsuming(given_run)
     \/ SessionRegister
     \/ SessionAttach
     \/ SessionDetach
     \/ SessionCancelAfterBoundary
     \/ SessionAppendContext
     \/ SessionStageContext
     \/ SessionStageToolResults
     \/ SessionNote
     \/ SessionRetire
     \/ SessionRecycle)
    => (~(session_phase' = "running") \/ ((session_sequence' = session_sequence)))
    ]_vars

\* E: only a boundary of a run that goes on writes a receipt: the same for steps that change nothing.
EOnlyABoundaryOfARunThat_Enabled ==
    ENABLED (
    (\/ \E given_lane \in {"queue", "steer"} : AcceptInput(given_lane)
     \/ \E given_inputs \in 0..input_capacity : SupersedeInput(given_inputs)
     \/ \E given_inputs \in 0..input_capacity : CoalesceInput(given_inputs)
     \/ \E given_inputs \in 0..input_capacity : AbandonInput(given_inputs)
     \/ Interrupt
     \/ Recover
     \/ InterruptRunning
     \/ Checkpoint
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : CompleteRunConsuming(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : FailRunConsuming(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : CancelRunConsuming(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ \E given_run \in RunIds : RollBackRunConsuming(given_run)
     \/ RecoverRunning
     \/ \E given_run \in RunIds : RecoverRunningConsuming(given_run)
     \/ \E given_run \in RunIds : FailRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : CancelRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : CancelRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RollBackRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : RollBackRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RecoverRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : RecoverRunningGivingUp(given_inputs, given_run)
     \/ Reset
     \/ ResetAbandoning
     \/ SessionRegister
     \/ SessionAttach
     \/ SessionCancelAfterBoundary
     \/ SessionAppendContext
     \/ SessionStageContext
     \/ SessionStageToolResults
     \/ SessionNote
     \/ SessionRetire
     \/ SessionRecycle)
    /\ UNCHANGED vars)
    => (~(session_phase = "running") \/ ((session_sequence = session_sequence)))

\* F: nothing is written once a session has ended, and it is not archived twice
\* always, on accept_input, begin_run, begin_run_staging, apply_boundary, apply_boundary_naming_input, apply_boundary_steering, supersede_input, coalesce_input, abandon_input, interrupt, recover, stop, executor_exited, interrupt_running, checkpoint, archive, complete_run, complete_run_consuming, fail_run, fail_run_consuming, cancel_run, cancel_run_consuming, roll_back_run, roll_back_run_consuming, recover_running, recover_running_consuming, stop_running, stop_running_consuming, executor_exited_running, executor_exited_running_consuming, fail_run_giving_back, fail_run_giving_up, cancel_run_giving_back, cancel_run_giving_up, roll_back_run_giving_back, roll_back_run_giving_up, recover_running_giving_back, recover_running_giving_up, stop_running_giving_back, stop_running_giving_up, executor_exited_running_giving_back, executor_exited_running_giving_up, reset, reset_abandoning, destroy, destroy_abandoning, destroy_running, destroy_running_abandoning, destroy_running_consuming, session.register, session.attach, session.detach, session.cancel_after_boundary, session.append_context, session.stage_context, session.stage_tool_results, session.note, session.retire, session.recycle: not ((session.phase = archived or session.phase = destroyed))
FNothingIsWrittenOnceASessionHas_Enabled ==
    ENABLED (
    (\/ \E given_lane \in {"queue", "steer"} : AcceptInput(given_lane)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : BeginRunStaging(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundaryNamingInput(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : ApplyBoundarySteering(given_run, given_inputs)
     \/ \E given_inputs \in 0..input_capacity : SupersedeInput(given_inputs)
     \/ \E given_inputs \in 0..input_capacity : CoalesceInput(given_inputs)
     \/ \E given_inputs \in 0..input_capacity : AbandonInput(given_inputs)
     \/ Interrupt
     \/ Recover
     \/ Stop
     \/ ExecutorExited
     \/ InterruptRunning
     \/ Checkpoint
     \/ Archive
     \/ \E given_run \in RunIds : CompleteRun(given_run)
     \/ \E given_run \in RunIds : CompleteRunConsuming(given_run)
     \/ \E given_run \in RunIds : FailRun(given_run)
     \/ \E given_run \in RunIds : FailRunConsuming(given_run)
     \/ \E given_run \in RunIds : CancelRun(given_run)
     \/ \E given_run \in RunIds : CancelRunConsuming(given_run)
     \/ \E given_run \in RunIds : RollBackRun(given_run)
     \/ \E given_run \in RunIds : RollBackRunConsuming(given_run)
     \/ RecoverRunning
     \/ \E given_run \in RunIds : RecoverRunningConsuming(given_run)
     \/ StopRunning
     \/ \E given_run \in RunIds : StopRunningConsuming(given_run)
     \/ ExecutorExitedRunning
     \/ \E given_run \in RunIds : ExecutorExitedRunningConsuming(given_run)
     \/ \E given_run \in RunIds : FailRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : FailRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : CancelRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : CancelRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RollBackRunGivingBack(given_run)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : RollBackRunGivingUp(given_run, given_inputs)
     \/ \E given_run \in RunIds : RecoverRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : RecoverRunningGivingUp(given_inputs, given_run)
     \/ \E given_run \in RunIds : StopRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : StopRunningGivingUp(given_inputs, given_run)
     \/ \E given_run \in RunIds : ExecutorExitedRunningGivingBack(given_run)
     \/ \E given_inputs \in 0..input_capacity, given_run \in RunIds : ExecutorExitedRunningGivingUp(given_inputs, given_run)
     \/ Reset
     \/ ResetAbandoning
     \/ Destroy
     \/ DestroyAbandoning
     \/ DestroyRunning
     \/ DestroyRunningAbandoning
     \/ \E given_run \in RunIds : DestroyRunningConsuming(given_run)
     \/ SessionRegister
     \/ SessionAttach
     \/ SessionDetach
     \/ SessionCancelAfterBoundary
     \/ SessionAppendContext
     \/ SessionStageContext
     \/ SessionStageToolResults
     \/ SessionNote
     \/ SessionRetire
     \/ SessionRecycle))
    => ~(session_phase \in {"archived", "destroyed"})

\* F: the checkpointer's gate is closed once the session has ended, and not before
\* always: (not (gate.phase = closed) or (session.phase = archived or session.phase = destroyed)) and (not ((session.phase = archived or session.phase = destroyed)) or gate.phase = closed)
FTheCheckpointerSGateIsClosedOnce ==
    (~(gate_phase = "closed") \/ (session_phase \in {"archived", "destroyed"})) /\ (~(session_phase \in {"archived", "destroyed"}) \/ (gate_phase = "closed"))

\* F: a checkpoint is taken of a session that exists, through a gate that is armed
\* always, on checkpoint: gate.phase = armed and not ((session.phase = unregistered or session.phase = archived or session.phase = destroyed))
FACheckpointIsTakenOfASession_Enabled ==
    ENABLED (
    (Checkpoint))
    => ((gate_phase = "armed") /\ ~(session_phase \in {"unregistered", "archived", "destroyed"}))

\* F: no input is admitted while a session drains
\* always, on accept_input: not ((session.phase = retired or session.return_to = retired)) and not (session.phase = stopped)
FNoInputIsAdmittedWhileASession_Enabled ==
    ENABLED (
    (\E given_lane \in {"queue", "steer"} : AcceptInput(given_lane)))
    => (~((session_phase = "retired") \/ (session_return_to = "retired")) /\ ~(session_phase = "stopped"))

\* F: a session that has ended leaves no input behind
\* always: (not ((session.phase = archived or session.phase = destroyed)) or not ((input.phase = accepted or input.phase = queued or input.phase = staged or input.phase = applied)))
FASessionThatHasEndedLeavesNo ==
    ~(session_phase \in {"archived", "destroyed"}) \/ ~(input_phase \in {"accepted", "queued", "staged", "applied"})

\* F: retiring touches neither the run in flight nor its input
\* always, on session.retire: (not (session.phase = running) or session.phase' = running and session.run' = session.run and session.staged' = session.staged and session.sequence' = session.sequence and input.phase' = input.phase)
FRetiringTouchesNeitherTheRunInFlight ==
    [][
    (SessionRetire)
    => (~(session_phase = "running") \/ ((session_phase' = "running") /\ ((session_run' = session_run) /\ (session_staged' = session_staged) /\ (session_sequence' = session_sequence) /\ (input_phase' = input_phase))))
    ]_vars

\* F: retiring touches neither the run in flight nor its input: the same for steps that change nothing.
FRetiringTouchesNeitherTheRunInFlight_Enabled ==
    ENABLED (
    (SessionRetire)
    /\ UNCHANGED vars)
    => (~(session_phase = "running") \/ ((session_phase = "running") /\ ((session_run = session_run) /\ (session_staged = session_staged) /\ (session_sequence = session_sequence) /\ (input_phase = input_phase))))

\* F: a run in flight is never stranded: its boundary can land and its input be consumed, also when the session retires meanwhile
\* always possible, from where input.phase = staged and session.sequence < boundary_capacity: input.phase = consumed
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalFARunInFlightIsNeverStranded ==
    input_phase = "consumed"

\* From every reachable state of which this holds:
GoalFARunInFlightIsNeverStranded_From ==
    (input_phase = "staged") /\ (session_sequence < boundary_capacity)

\* F: from everywhere but destroyed, the session can still be archived
\* always possible, from where not (session.phase = destroyed): session.phase = archived
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalFFromEverywhereButDestroyedTheSessionCan ==
    session_phase = "archived"

\* From every reachable state of which this holds:
GoalFFromEverywhereButDestroyedTheSessionCan_From ==
    ~(session_phase = "destroyed")

\* a receipt names an input after the session retired
\* sometimes: session.phase = running and (session.phase = retired or session.return_to = retired) and input.phase = applied
\* Some state has it: check this as an invariant, and be shown one.
NeverAReceiptNamesAnInputAfterTheSession ==
    ~(((session_phase = "running") /\ ((session_phase = "retired") \/ (session_return_to = "retired"))) /\ (input_phase = "applied"))

\* a session is archived that consumed its input
\* sometimes: session.phase = archived and input.phase = consumed
\* Some state has it: check this as an invariant, and be shown one.
NeverASessionIsArchivedThatConsumedItsInput ==
    ~((session_phase = "archived") /\ (input_phase = "consumed"))
=============================================================================
