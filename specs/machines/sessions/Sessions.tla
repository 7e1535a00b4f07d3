A TLA+ module, printed from the declared machine sessions by `perdure spec`. Do not edit; print again.
Check it: java -cp tla2tools.jar tlc2.TLC -config ci.cfg Sessions.tla
TLC must report the distinct states that contract.md pins. deep.cfg is the larger run.

------------------------------ MODULE Sessions ------------------------------
\* sessions, printed from its declaration.

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
    session1_phase,
    session1_run,
    session1_return_to,
    session1_cancel_requested,
    session1_queued,
    session1_staged,
    session1_sequence,
    session2_phase,
    session2_run,
    session2_return_to,
    session2_cancel_requested,
    session2_queued,
    session2_staged,
    session2_sequence

vars == <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

TypeOK ==
    /\ session1_phase \in {"unregistered", "idle", "attached", "running", "retired", "stopped", "archived", "destroyed"}
    /\ session1_run \in RunIds \union {NONE}
    /\ session1_return_to \in {"idle", "attached", "retired"} \union {NONE}
    /\ session1_cancel_requested \in BOOLEAN
    /\ session1_queued \in 0..input_capacity
    /\ session1_staged \in 0..input_capacity
    /\ session1_sequence \in 0..boundary_capacity
    /\ session2_phase \in {"unregistered", "idle", "attached", "running", "retired", "stopped", "archived", "destroyed"}
    /\ session2_run \in RunIds \union {NONE}
    /\ session2_return_to \in {"idle", "attached", "retired"} \union {NONE}
    /\ session2_cancel_requested \in BOOLEAN
    /\ session2_queued \in 0..input_capacity
    /\ session2_staged \in 0..input_capacity
    /\ session2_sequence \in 0..boundary_capacity

Init ==
    /\ session1_phase = "unregistered"
    /\ session1_run = NONE
    /\ session1_return_to = NONE
    /\ session1_cancel_requested = FALSE
    /\ session1_queued = 0
    /\ session1_staged = 0
    /\ session1_sequence = 0
    /\ session2_phase = "unregistered"
    /\ session2_run = NONE
    /\ session2_return_to = NONE
    /\ session2_cancel_requested = FALSE
    /\ session2_queued = 0
    /\ session2_staged = 0
    /\ session2_sequence = 0

\* session1.register
Session1Register ==
    \/ /\ session1_phase = "unregistered"
       /\ session1_phase' = "idle"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase \in {"idle", "attached", "running", "retired", "stopped"}
       /\ UNCHANGED vars

\* session1.attach
Session1Attach ==
    \/ /\ session1_phase = "idle"
       /\ session1_phase' = "attached"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase \in {"attached", "retired"}
       /\ UNCHANGED vars
    \/ /\ session1_phase = "stopped"
       /\ ~(session1_return_to = "retired")
       /\ session1_phase' = "attached"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "stopped"
       /\ session1_return_to = "retired"
       /\ session1_phase' = "retired"
       /\ session1_return_to' = NONE
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.detach
Session1Detach ==
    /\ session1_phase = "attached"
    /\ session1_phase' = "idle"
    /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.accept_input
Session1AcceptInput ==
    \/ /\ session1_phase \in {"idle", "attached"}
       /\ (session1_queued + session1_staged) < input_capacity
       /\ session1_queued' = session1_queued + 1
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ (session1_queued + session1_staged) < input_capacity
       /\ ~(session1_return_to = "retired")
       /\ session1_queued' = session1_queued + 1
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.drop_input
Session1DropInput(given_inputs) ==
    /\ session1_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ given_inputs > 0
    /\ given_inputs <= session1_queued
    /\ session1_queued' = session1_queued - given_inputs
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.begin_run
Session1BeginRun(given_run, given_inputs) ==
    \/ /\ session1_phase = "idle"
       /\ given_inputs <= session1_queued
       /\ session1_phase' = "running"
       /\ session1_run' = given_run
       /\ session1_queued' = session1_queued - given_inputs
       /\ session1_staged' = given_inputs
       /\ session1_return_to' = "idle"
       /\ UNCHANGED <<session1_cancel_requested, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "attached"
       /\ given_inputs <= session1_queued
       /\ session1_phase' = "running"
       /\ session1_run' = given_run
       /\ session1_queued' = session1_queued - given_inputs
       /\ session1_staged' = given_inputs
       /\ session1_return_to' = "attached"
       /\ UNCHANGED <<session1_cancel_requested, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= session1_queued
       /\ session1_phase' = "running"
       /\ session1_run' = given_run
       /\ session1_queued' = session1_queued - given_inputs
       /\ session1_staged' = given_inputs
       /\ session1_return_to' = "retired"
       /\ UNCHANGED <<session1_cancel_requested, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.apply_boundary
Session1ApplyBoundary(given_run, given_inputs) ==
    /\ session1_phase = "running"
    /\ session1_run = given_run
    /\ given_inputs <= session1_queued
    /\ session1_sequence < boundary_capacity
    /\ session1_queued' = session1_queued - given_inputs
    /\ session1_staged' = given_inputs
    /\ session1_sequence' = session1_sequence + 1
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.complete_run
Session1CompleteRun(given_run) ==
    /\ session1_phase = "running"
    /\ session1_return_to # NONE
    /\ session1_run = given_run
    /\ session1_staged = 0
    /\ session1_phase' = session1_return_to
    /\ session1_run' = NONE
    /\ session1_cancel_requested' = FALSE
    /\ session1_sequence' = 0
    /\ session1_return_to' = NONE
    /\ UNCHANGED <<session1_queued, session1_staged, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.fail_run
Session1FailRun(given_run) ==
    /\ session1_phase = "running"
    /\ session1_return_to # NONE
    /\ session1_run = given_run
    /\ session1_phase' = session1_return_to
    /\ session1_run' = NONE
    /\ session1_cancel_requested' = FALSE
    /\ session1_sequence' = 0
    /\ session1_return_to' = NONE
    /\ session1_queued' = session1_queued + session1_staged
    /\ session1_staged' = 0
    /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.cancel_run
Session1CancelRun(given_run) ==
    /\ session1_phase = "running"
    /\ session1_return_to # NONE
    /\ session1_run = given_run
    /\ session1_phase' = session1_return_to
    /\ session1_run' = NONE
    /\ session1_cancel_requested' = FALSE
    /\ session1_sequence' = 0
    /\ session1_return_to' = NONE
    /\ session1_queued' = session1_queued + session1_staged
    /\ session1_staged' = 0
    /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.roll_back_run
Session1RollBackRun(given_run) ==
    /\ session1_phase = "running"
    /\ session1_return_to # NONE
    /\ session1_run = given_run
    /\ session1_phase' = session1_return_to
    /\ session1_run' = NONE
    /\ session1_cancel_requested' = FALSE
    /\ session1_sequence' = 0
    /\ session1_return_to' = NONE
    /\ session1_queued' = session1_queued + session1_staged
    /\ session1_staged' = 0
    /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.interrupt
Session1Interrupt ==
    \/ /\ session1_phase = "attached"
       /\ UNCHANGED vars
    \/ /\ session1_phase = "running"
       /\ session1_cancel_requested' = TRUE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.cancel_after_boundary
Session1CancelAfterBoundary ==
    \/ /\ session1_phase = "attached"
       /\ UNCHANGED vars
    \/ /\ session1_phase = "running"
       /\ session1_cancel_requested' = TRUE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.append_context
Session1AppendContext ==
    \/ /\ session1_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session1_phase = "stopped"
       /\ ~(session1_return_to = "retired") \/ (session1_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session1_phase = "retired"
       /\ session1_queued > 0
       /\ UNCHANGED vars

\* session1.stage_context
Session1StageContext ==
    \/ /\ session1_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session1_phase = "stopped"
       /\ ~(session1_return_to = "retired") \/ (session1_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session1_phase = "retired"
       /\ session1_queued > 0
       /\ UNCHANGED vars

\* session1.stage_tool_results
Session1StageToolResults ==
    \/ /\ session1_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session1_phase = "stopped"
       /\ ~(session1_return_to = "retired") \/ (session1_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session1_phase = "retired"
       /\ session1_queued > 0
       /\ UNCHANGED vars

\* session1.checkpoint
Session1Checkpoint ==
    /\ session1_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* session1.note
Session1Note ==
    /\ session1_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* session1.retire
Session1Retire ==
    \/ /\ session1_phase \in {"idle", "attached"}
       /\ session1_phase' = "retired"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "stopped"
       /\ session1_phase' = "retired"
       /\ session1_return_to' = NONE
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ session1_return_to' = "retired"
       /\ UNCHANGED <<session1_phase, session1_run, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "retired"
       /\ UNCHANGED vars

\* session1.archive
Session1Archive ==
    /\ session1_phase = "retired"
    /\ session1_queued = 0
    /\ session1_phase' = "archived"
    /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.stop
Session1Stop ==
    \/ /\ session1_phase \in {"idle", "attached"}
       /\ session1_phase' = "stopped"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "retired"
       /\ session1_phase' = "stopped"
       /\ session1_return_to' = "retired"
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ ~(session1_return_to = "retired")
       /\ session1_phase' = "stopped"
       /\ session1_run' = NONE
       /\ session1_cancel_requested' = FALSE
       /\ session1_sequence' = 0
       /\ session1_return_to' = NONE
       /\ session1_queued' = session1_queued + session1_staged
       /\ session1_staged' = 0
       /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ session1_return_to = "retired"
       /\ session1_phase' = "stopped"
       /\ session1_run' = NONE
       /\ session1_cancel_requested' = FALSE
       /\ session1_sequence' = 0
       /\ session1_queued' = session1_queued + session1_staged
       /\ session1_staged' = 0
       /\ UNCHANGED <<session1_return_to, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.executor_exited
Session1ExecutorExited ==
    \/ /\ session1_phase \in {"idle", "attached"}
       /\ session1_phase' = "stopped"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "retired"
       /\ session1_phase' = "stopped"
       /\ session1_return_to' = "retired"
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ ~(session1_return_to = "retired")
       /\ session1_phase' = "stopped"
       /\ session1_run' = NONE
       /\ session1_cancel_requested' = FALSE
       /\ session1_sequence' = 0
       /\ session1_return_to' = NONE
       /\ session1_queued' = session1_queued + session1_staged
       /\ session1_staged' = 0
       /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ session1_return_to = "retired"
       /\ session1_phase' = "stopped"
       /\ session1_run' = NONE
       /\ session1_cancel_requested' = FALSE
       /\ session1_sequence' = 0
       /\ session1_queued' = session1_queued + session1_staged
       /\ session1_staged' = 0
       /\ UNCHANGED <<session1_return_to, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.recover
Session1Recover ==
    \/ /\ session1_phase = "running"
       /\ session1_return_to # NONE
       /\ session1_phase' = session1_return_to
       /\ session1_run' = NONE
       /\ session1_cancel_requested' = FALSE
       /\ session1_sequence' = 0
       /\ session1_return_to' = NONE
       /\ session1_queued' = session1_queued + session1_staged
       /\ session1_staged' = 0
       /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase \in {"idle", "attached", "retired", "stopped"}
       /\ UNCHANGED vars

\* session1.reset
Session1Reset ==
    \/ /\ session1_phase \in {"attached", "idle"}
       /\ session1_queued' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "retired"
       /\ session1_phase' = "idle"
       /\ session1_queued' = 0
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "stopped"
       /\ session1_phase' = "idle"
       /\ session1_queued' = 0
       /\ session1_return_to' = NONE
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.recycle
Session1Recycle ==
    \/ /\ session1_phase \in {"attached", "idle"}
       /\ UNCHANGED vars
    \/ /\ session1_phase = "retired"
       /\ session1_phase' = "idle"
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "stopped"
       /\ session1_phase' = "idle"
       /\ session1_return_to' = NONE
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session1.destroy
Session1Destroy ==
    \/ /\ session1_phase \in {"idle", "attached", "retired"}
       /\ session1_phase' = "destroyed"
       /\ session1_queued' = 0
       /\ UNCHANGED <<session1_run, session1_return_to, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "running"
       /\ session1_phase' = "destroyed"
       /\ session1_run' = NONE
       /\ session1_cancel_requested' = FALSE
       /\ session1_sequence' = 0
       /\ session1_return_to' = NONE
       /\ session1_queued' = 0
       /\ session1_staged' = 0
       /\ UNCHANGED <<session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session1_phase = "stopped"
       /\ session1_phase' = "destroyed"
       /\ session1_queued' = 0
       /\ session1_return_to' = NONE
       /\ UNCHANGED <<session1_run, session1_cancel_requested, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session2.register
Session2Register ==
    \/ /\ session2_phase = "unregistered"
       /\ session2_phase' = "idle"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase \in {"idle", "attached", "running", "retired", "stopped"}
       /\ UNCHANGED vars

\* session2.attach
Session2Attach ==
    \/ /\ session2_phase = "idle"
       /\ session2_phase' = "attached"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase \in {"attached", "retired"}
       /\ UNCHANGED vars
    \/ /\ session2_phase = "stopped"
       /\ ~(session2_return_to = "retired")
       /\ session2_phase' = "attached"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "stopped"
       /\ session2_return_to = "retired"
       /\ session2_phase' = "retired"
       /\ session2_return_to' = NONE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session2.detach
Session2Detach ==
    /\ session2_phase = "attached"
    /\ session2_phase' = "idle"
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session2.accept_input
Session2AcceptInput ==
    \/ /\ session2_phase \in {"idle", "attached"}
       /\ (session2_queued + session2_staged) < input_capacity
       /\ session2_queued' = session2_queued + 1
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "running"
       /\ (session2_queued + session2_staged) < input_capacity
       /\ ~(session2_return_to = "retired")
       /\ session2_queued' = session2_queued + 1
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_staged, session2_sequence>>

\* session2.drop_input
Session2DropInput(given_inputs) ==
    /\ session2_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ given_inputs > 0
    /\ given_inputs <= session2_queued
    /\ session2_queued' = session2_queued - given_inputs
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_staged, session2_sequence>>

\* session2.begin_run
Session2BeginRun(given_run, given_inputs) ==
    \/ /\ session2_phase = "idle"
       /\ given_inputs <= session2_queued
       /\ session2_phase' = "running"
       /\ session2_run' = given_run
       /\ session2_queued' = session2_queued - given_inputs
       /\ session2_staged' = given_inputs
       /\ session2_return_to' = "idle"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_cancel_requested, session2_sequence>>
    \/ /\ session2_phase = "attached"
       /\ given_inputs <= session2_queued
       /\ session2_phase' = "running"
       /\ session2_run' = given_run
       /\ session2_queued' = session2_queued - given_inputs
       /\ session2_staged' = given_inputs
       /\ session2_return_to' = "attached"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_cancel_requested, session2_sequence>>
    \/ /\ session2_phase = "retired"
       /\ given_inputs > 0
       /\ given_inputs <= session2_queued
       /\ session2_phase' = "running"
       /\ session2_run' = given_run
       /\ session2_queued' = session2_queued - given_inputs
       /\ session2_staged' = given_inputs
       /\ session2_return_to' = "retired"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_cancel_requested, session2_sequence>>

\* session2.apply_boundary
Session2ApplyBoundary(given_run, given_inputs) ==
    /\ session2_phase = "running"
    /\ session2_run = given_run
    /\ given_inputs <= session2_queued
    /\ session2_sequence < boundary_capacity
    /\ session2_queued' = session2_queued - given_inputs
    /\ session2_staged' = given_inputs
    /\ session2_sequence' = session2_sequence + 1
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested>>

\* session2.complete_run
Session2CompleteRun(given_run) ==
    /\ session2_phase = "running"
    /\ session2_return_to # NONE
    /\ session2_run = given_run
    /\ session2_staged = 0
    /\ session2_phase' = session2_return_to
    /\ session2_run' = NONE
    /\ session2_cancel_requested' = FALSE
    /\ session2_sequence' = 0
    /\ session2_return_to' = NONE
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_queued, session2_staged>>

\* session2.fail_run
Session2FailRun(given_run) ==
    /\ session2_phase = "running"
    /\ session2_return_to # NONE
    /\ session2_run = given_run
    /\ session2_phase' = session2_return_to
    /\ session2_run' = NONE
    /\ session2_cancel_requested' = FALSE
    /\ session2_sequence' = 0
    /\ session2_return_to' = NONE
    /\ session2_queued' = session2_queued + session2_staged
    /\ session2_staged' = 0
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>

\* session2.cancel_run
Session2CancelRun(given_run) ==
    /\ session2_phase = "running"
    /\ session2_return_to # NONE
    /\ session2_run = given_run
    /\ session2_phase' = session2_return_to
    /\ session2_run' = NONE
    /\ session2_cancel_requested' = FALSE
    /\ session2_sequence' = 0
    /\ session2_return_to' = NONE
    /\ session2_queued' = session2_queued + session2_staged
    /\ session2_staged' = 0
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>

\* session2.roll_back_run
Session2RollBackRun(given_run) ==
    /\ session2_phase = "running"
    /\ session2_return_to # NONE
    /\ session2_run = given_run
    /\ session2_phase' = session2_return_to
    /\ session2_run' = NONE
    /\ session2_cancel_requested' = FALSE
    /\ session2_sequence' = 0
    /\ session2_return_to' = NONE
    /\ session2_queued' = session2_queued + session2_staged
    /\ session2_staged' = 0
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>

\* session2.interrupt
Session2Interrupt ==
    \/ /\ session2_phase = "attached"
       /\ UNCHANGED vars
    \/ /\ session2_phase = "running"
       /\ session2_cancel_requested' = TRUE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_queued, session2_staged, session2_sequence>>

\* session2.cancel_after_boundary
Session2CancelAfterBoundary ==
    \/ /\ session2_phase = "attached"
       /\ UNCHANGED vars
    \/ /\ session2_phase = "running"
       /\ session2_cancel_requested' = TRUE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_queued, session2_staged, session2_sequence>>

\* session2.append_context
Session2AppendContext ==
    \/ /\ session2_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session2_phase = "stopped"
       /\ ~(session2_return_to = "retired") \/ (session2_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session2_phase = "retired"
       /\ session2_queued > 0
       /\ UNCHANGED vars

\* session2.stage_context
Session2StageContext ==
    \/ /\ session2_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session2_phase = "stopped"
       /\ ~(session2_return_to = "retired") \/ (session2_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session2_phase = "retired"
       /\ session2_queued > 0
       /\ UNCHANGED vars

\* session2.stage_tool_results
Session2StageToolResults ==
    \/ /\ session2_phase \in {"idle", "attached", "running"}
       /\ UNCHANGED vars
    \/ /\ session2_phase = "stopped"
       /\ ~(session2_return_to = "retired") \/ (session2_queued > 0)
       /\ UNCHANGED vars
    \/ /\ session2_phase = "retired"
       /\ session2_queued > 0
       /\ UNCHANGED vars

\* session2.checkpoint
Session2Checkpoint ==
    /\ session2_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* session2.note
Session2Note ==
    /\ session2_phase \in {"idle", "attached", "running", "retired", "stopped"}
    /\ UNCHANGED vars

\* session2.retire
Session2Retire ==
    \/ /\ session2_phase \in {"idle", "attached"}
       /\ session2_phase' = "retired"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "stopped"
       /\ session2_phase' = "retired"
       /\ session2_return_to' = NONE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "running"
       /\ session2_return_to' = "retired"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "retired"
       /\ UNCHANGED vars

\* session2.archive
Session2Archive ==
    /\ session2_phase = "retired"
    /\ session2_queued = 0
    /\ session2_phase' = "archived"
    /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session2.stop
Session2Stop ==
    \/ /\ session2_phase \in {"idle", "attached"}
       /\ session2_phase' = "stopped"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "retired"
       /\ session2_phase' = "stopped"
       /\ session2_return_to' = "retired"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "running"
       /\ ~(session2_return_to = "retired")
       /\ session2_phase' = "stopped"
       /\ session2_run' = NONE
       /\ session2_cancel_requested' = FALSE
       /\ session2_sequence' = 0
       /\ session2_return_to' = NONE
       /\ session2_queued' = session2_queued + session2_staged
       /\ session2_staged' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>
    \/ /\ session2_phase = "running"
       /\ session2_return_to = "retired"
       /\ session2_phase' = "stopped"
       /\ session2_run' = NONE
       /\ session2_cancel_requested' = FALSE
       /\ session2_sequence' = 0
       /\ session2_queued' = session2_queued + session2_staged
       /\ session2_staged' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_return_to>>

\* session2.executor_exited
Session2ExecutorExited ==
    \/ /\ session2_phase \in {"idle", "attached"}
       /\ session2_phase' = "stopped"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "retired"
       /\ session2_phase' = "stopped"
       /\ session2_return_to' = "retired"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "running"
       /\ ~(session2_return_to = "retired")
       /\ session2_phase' = "stopped"
       /\ session2_run' = NONE
       /\ session2_cancel_requested' = FALSE
       /\ session2_sequence' = 0
       /\ session2_return_to' = NONE
       /\ session2_queued' = session2_queued + session2_staged
       /\ session2_staged' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>
    \/ /\ session2_phase = "running"
       /\ session2_return_to = "retired"
       /\ session2_phase' = "stopped"
       /\ session2_run' = NONE
       /\ session2_cancel_requested' = FALSE
       /\ session2_sequence' = 0
       /\ session2_queued' = session2_queued + session2_staged
       /\ session2_staged' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_return_to>>

\* session2.recover
Session2Recover ==
    \/ /\ session2_phase = "running"
       /\ session2_return_to # NONE
       /\ session2_phase' = session2_return_to
       /\ session2_run' = NONE
       /\ session2_cancel_requested' = FALSE
       /\ session2_sequence' = 0
       /\ session2_return_to' = NONE
       /\ session2_queued' = session2_queued + session2_staged
       /\ session2_staged' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>
    \/ /\ session2_phase \in {"idle", "attached", "retired", "stopped"}
       /\ UNCHANGED vars

\* session2.reset
Session2Reset ==
    \/ /\ session2_phase \in {"attached", "idle"}
       /\ session2_queued' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_phase, session2_run, session2_return_to, session2_cancel_requested, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "retired"
       /\ session2_phase' = "idle"
       /\ session2_queued' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "stopped"
       /\ session2_phase' = "idle"
       /\ session2_queued' = 0
       /\ session2_return_to' = NONE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_staged, session2_sequence>>

\* session2.recycle
Session2Recycle ==
    \/ /\ session2_phase \in {"attached", "idle"}
       /\ UNCHANGED vars
    \/ /\ session2_phase = "retired"
       /\ session2_phase' = "idle"
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "stopped"
       /\ session2_phase' = "idle"
       /\ session2_return_to' = NONE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_queued, session2_staged, session2_sequence>>

\* session2.destroy
Session2Destroy ==
    \/ /\ session2_phase \in {"idle", "attached", "retired"}
       /\ session2_phase' = "destroyed"
       /\ session2_queued' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_return_to, session2_cancel_requested, session2_staged, session2_sequence>>
    \/ /\ session2_phase = "running"
       /\ session2_phase' = "destroyed"
       /\ session2_run' = NONE
       /\ session2_cancel_requested' = FALSE
       /\ session2_sequence' = 0
       /\ session2_return_to' = NONE
       /\ session2_queued' = 0
       /\ session2_staged' = 0
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence>>
    \/ /\ session2_phase = "stopped"
       /\ session2_phase' = "destroyed"
       /\ session2_queued' = 0
       /\ session2_return_to' = NONE
       /\ UNCHANGED <<session1_phase, session1_run, session1_return_to, session1_cancel_requested, session1_queued, session1_staged, session1_sequence, session2_run, session2_cancel_requested, session2_staged, session2_sequence>>

\* Every step of the declaration.
Step ==
    \/ Session1Register
    \/ Session1Attach
    \/ Session1Detach
    \/ Session1AcceptInput
    \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
    \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
    \/ \E given_run \in RunIds : Session1FailRun(given_run)
    \/ \E given_run \in RunIds : Session1CancelRun(given_run)
    \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
    \/ Session1Interrupt
    \/ Session1CancelAfterBoundary
    \/ Session1AppendContext
    \/ Session1StageContext
    \/ Session1StageToolResults
    \/ Session1Checkpoint
    \/ Session1Note
    \/ Session1Retire
    \/ Session1Archive
    \/ Session1Stop
    \/ Session1ExecutorExited
    \/ Session1Recover
    \/ Session1Reset
    \/ Session1Recycle
    \/ Session1Destroy
    \/ Session2Register
    \/ Session2Attach
    \/ Session2Detach
    \/ Session2AcceptInput
    \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
    \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
    \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
    \/ \E given_run \in RunIds : Session2FailRun(given_run)
    \/ \E given_run \in RunIds : Session2CancelRun(given_run)
    \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
    \/ Session2Interrupt
    \/ Session2CancelAfterBoundary
    \/ Session2AppendContext
    \/ Session2StageContext
    \/ Session2StageToolResults
    \/ Session2Checkpoint
    \/ Session2Note
    \/ Session2Retire
    \/ Session2Archive
    \/ Session2Stop
    \/ Session2ExecutorExited
    \/ Session2Recover
    \/ Session2Reset
    \/ Session2Recycle
    \/ Session2Destroy

\* Nothing needs to happen any more: being finished is no deadlock.
Done ==
    /\ (session1_phase \in {"archived", "destroyed"}) /\ (session2_phase \in {"archived", "destroyed"})
    /\ UNCHANGED vars

Next == Step \/ Done

\* What stays possible without a break happens at last.
Fairness ==
    /\ WF_vars(\E given_run \in RunIds : Session1FailRun(given_run))
    /\ WF_vars(\E given_run \in RunIds : Session2FailRun(given_run))

Spec == Init /\ [][Next]_vars /\ Fairness

\* session1: a run is current exactly while the session is running
\* always: (not (session1.run # none) or session1.phase = running) and (not (session1.phase = running) or session1.run # none)
Session1ARunIsCurrentExactlyWhileThe ==
    (~(session1_run # NONE) \/ (session1_phase = "running")) /\ (~(session1_phase = "running") \/ (session1_run # NONE))

\* session2: a run is current exactly while the session is running
\* always: (not (session2.run # none) or session2.phase = running) and (not (session2.phase = running) or session2.run # none)
Session2ARunIsCurrentExactlyWhileThe ==
    (~(session2_run # NONE) \/ (session2_phase = "running")) /\ (~(session2_phase = "running") \/ (session2_run # NONE))

\* session1: a phase to return to is remembered during every run, and besides only by a stopped session that had retired
\* always: (not (session1.phase = running) or session1.return_to # none) and (not (session1.return_to # none) or (session1.phase = running or session1.phase = stopped and session1.return_to = retired))
Session1APhaseToReturnToIsRemembered ==
    (~(session1_phase = "running") \/ (session1_return_to # NONE)) /\ (~(session1_return_to # NONE) \/ ((session1_phase = "running") \/ ((session1_phase = "stopped") /\ (session1_return_to = "retired"))))

\* session2: a phase to return to is remembered during every run, and besides only by a stopped session that had retired
\* always: (not (session2.phase = running) or session2.return_to # none) and (not (session2.return_to # none) or (session2.phase = running or session2.phase = stopped and session2.return_to = retired))
Session2APhaseToReturnToIsRemembered ==
    (~(session2_phase = "running") \/ (session2_return_to # NONE)) /\ (~(session2_return_to # NONE) \/ ((session2_phase = "running") \/ ((session2_phase = "stopped") /\ (session2_return_to = "retired"))))

\* session1: a run begins where none is current, as the run that was asked for, and remembers the phase it leaves
\* always, on session1.begin_run: session1.run = none and session1.run' = given run and session1.return_to' = session1.phase
Session1ARunBeginsWhereNoneIsCurrent ==
    [][
    \A given_run \in RunIds :
        (\E given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs))
        => (((session1_run = NONE) /\ (session1_run' = given_run)) /\ (session1_return_to' = session1_phase))
    ]_vars

\* session2: a run begins where none is current, as the run that was asked for, and remembers the phase it leaves
\* always, on session2.begin_run: session2.run = none and session2.run' = given run and session2.return_to' = session2.phase
Session2ARunBeginsWhereNoneIsCurrent ==
    [][
    \A given_run \in RunIds :
        (\E given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs))
        => (((session2_run = NONE) /\ (session2_run' = given_run)) /\ (session2_return_to' = session2_phase))
    ]_vars

\* session1: only the current run lands a boundary or ends
\* always, on session1.apply_boundary, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run: session1.run = given run
Session1OnlyTheCurrentRunLandsABoundary_Enabled ==
    \A given_run \in RunIds :
        ENABLED (
        (\/ \E given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
         \/ Session1CompleteRun(given_run)
         \/ Session1FailRun(given_run)
         \/ Session1CancelRun(given_run)
         \/ Session1RollBackRun(given_run)))
        => (session1_run = given_run)

\* session2: only the current run lands a boundary or ends
\* always, on session2.apply_boundary, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run: session2.run = given run
Session2OnlyTheCurrentRunLandsABoundary_Enabled ==
    \A given_run \in RunIds :
        ENABLED (
        (\/ \E given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
         \/ Session2CompleteRun(given_run)
         \/ Session2FailRun(given_run)
         \/ Session2CancelRun(given_run)
         \/ Session2RollBackRun(given_run)))
        => (session2_run = given_run)

\* session1: a run stays the current one until it is over
\* always: (not (session1.phase = running and session1.phase' = running) or session1.run' = session1.run)
Session1ARunStaysTheCurrentOneUntil ==
    [][
    (~((session1_phase = "running") /\ (session1_phase' = "running")) \/ ((session1_run' = session1_run)))
    ]_vars

\* session1: a run stays the current one until it is over: the same for steps that change nothing.
Session1ARunStaysTheCurrentOneUntil_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~((session1_phase = "running") /\ (session1_phase = "running")) \/ ((session1_run = session1_run)))

\* session2: a run stays the current one until it is over
\* always: (not (session2.phase = running and session2.phase' = running) or session2.run' = session2.run)
Session2ARunStaysTheCurrentOneUntil ==
    [][
    (~((session2_phase = "running") /\ (session2_phase' = "running")) \/ ((session2_run' = session2_run)))
    ]_vars

\* session2: a run stays the current one until it is over: the same for steps that change nothing.
Session2ARunStaysTheCurrentOneUntil_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~((session2_phase = "running") /\ (session2_phase = "running")) \/ ((session2_run = session2_run)))

\* session1: a run that ends leads back to where it came from, or to retired if the session retired meanwhile
\* always, on session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.recover: (not (session1.phase = running) or session1.phase' = session1.return_to)
Session1ARunThatEndsLeadsBackTo ==
    [][
    (\/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1Recover)
    => (~(session1_phase = "running") \/ (session1_phase' = session1_return_to))
    ]_vars

\* session1: a run that ends leads back to where it came from, or to retired if the session retired meanwhile: the same for steps that change nothing.
Session1ARunThatEndsLeadsBackTo_Enabled ==
    ENABLED (
    (\/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~(session1_phase = "running") \/ (session1_phase = session1_return_to))

\* session2: a run that ends leads back to where it came from, or to retired if the session retired meanwhile
\* always, on session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.recover: (not (session2.phase = running) or session2.phase' = session2.return_to)
Session2ARunThatEndsLeadsBackTo ==
    [][
    (\/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2Recover)
    => (~(session2_phase = "running") \/ (session2_phase' = session2_return_to))
    ]_vars

\* session2: a run that ends leads back to where it came from, or to retired if the session retired meanwhile: the same for steps that change nothing.
Session2ARunThatEndsLeadsBackTo_Enabled ==
    ENABLED (
    (\/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~(session2_phase = "running") \/ (session2_phase = session2_return_to))

\* session1: during a run only retiring changes the phase to return to
\* always, on session1.register, session1.attach, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.apply_boundary, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.reset, session1.recycle, session1.checkpoint, session1.note, session1.archive, session1.recover, session1.destroy: (not (session1.phase = running and session1.phase' = running) or session1.return_to' = session1.return_to)
Session1DuringARunOnlyRetiringChangesThe ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~((session1_phase = "running") /\ (session1_phase' = "running")) \/ ((session1_return_to' = session1_return_to)))
    ]_vars

\* session1: during a run only retiring changes the phase to return to: the same for steps that change nothing.
Session1DuringARunOnlyRetiringChangesThe_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~((session1_phase = "running") /\ (session1_phase = "running")) \/ ((session1_return_to = session1_return_to)))

\* session2: during a run only retiring changes the phase to return to
\* always, on session2.register, session2.attach, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.apply_boundary, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.reset, session2.recycle, session2.checkpoint, session2.note, session2.archive, session2.recover, session2.destroy: (not (session2.phase = running and session2.phase' = running) or session2.return_to' = session2.return_to)
Session2DuringARunOnlyRetiringChangesThe ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~((session2_phase = "running") /\ (session2_phase' = "running")) \/ ((session2_return_to' = session2_return_to)))
    ]_vars

\* session2: during a run only retiring changes the phase to return to: the same for steps that change nothing.
Session2DuringARunOnlyRetiringChangesThe_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~((session2_phase = "running") /\ (session2_phase = "running")) \/ ((session2_return_to = session2_return_to)))

\* session1: a request to end the run is remembered until it is over
\* always: (not (session1.phase = running and session1.phase' = running and session1.cancel_requested) or session1.cancel_requested')
Session1ARequestToEndTheRunIs ==
    [][
    (~(((session1_phase = "running") /\ (session1_phase' = "running")) /\ session1_cancel_requested) \/ session1_cancel_requested')
    ]_vars

\* session1: a request to end the run is remembered until it is over: the same for steps that change nothing.
Session1ARequestToEndTheRunIs_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((session1_phase = "running") /\ (session1_phase = "running")) /\ session1_cancel_requested) \/ session1_cancel_requested)

\* session2: a request to end the run is remembered until it is over
\* always: (not (session2.phase = running and session2.phase' = running and session2.cancel_requested) or session2.cancel_requested')
Session2ARequestToEndTheRunIs ==
    [][
    (~(((session2_phase = "running") /\ (session2_phase' = "running")) /\ session2_cancel_requested) \/ session2_cancel_requested')
    ]_vars

\* session2: a request to end the run is remembered until it is over: the same for steps that change nothing.
Session2ARequestToEndTheRunIs_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((session2_phase = "running") /\ (session2_phase = "running")) /\ session2_cancel_requested) \/ session2_cancel_requested)

\* session1: a request to end the run is heard
\* always, on session1.interrupt, session1.cancel_after_boundary: (not (session1.phase = running) or session1.cancel_requested')
Session1ARequestToEndTheRunIs_2 ==
    [][
    (\/ Session1Interrupt
     \/ Session1CancelAfterBoundary)
    => (~(session1_phase = "running") \/ session1_cancel_requested')
    ]_vars

\* session1: a request to end the run is heard: the same for steps that change nothing.
Session1ARequestToEndTheRunIs_2_Enabled ==
    ENABLED (
    (\/ Session1Interrupt
     \/ Session1CancelAfterBoundary)
    /\ UNCHANGED vars)
    => (~(session1_phase = "running") \/ session1_cancel_requested)

\* session2: a request to end the run is heard
\* always, on session2.interrupt, session2.cancel_after_boundary: (not (session2.phase = running) or session2.cancel_requested')
Session2ARequestToEndTheRunIs_2 ==
    [][
    (\/ Session2Interrupt
     \/ Session2CancelAfterBoundary)
    => (~(session2_phase = "running") \/ session2_cancel_requested')
    ]_vars

\* session2: a request to end the run is heard: the same for steps that change nothing.
Session2ARequestToEndTheRunIs_2_Enabled ==
    ENABLED (
    (\/ Session2Interrupt
     \/ Session2CancelAfterBoundary)
    /\ UNCHANGED vars)
    => (~(session2_phase = "running") \/ session2_cancel_requested)

\* session1: nobody but the authority requests the end of a run
\* always, on session1.register, session1.attach, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.apply_boundary, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.stop, session1.executor_exited, session1.reset, session1.recycle, session1.checkpoint, session1.note, session1.retire, session1.archive, session1.recover, session1.destroy: (not (session1.cancel_requested') or session1.cancel_requested)
Session1NobodyButTheAuthorityRequestsTheEnd ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~session1_cancel_requested' \/ session1_cancel_requested)
    ]_vars

\* session1: nobody but the authority requests the end of a run: the same for steps that change nothing.
Session1NobodyButTheAuthorityRequestsTheEnd_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~session1_cancel_requested \/ session1_cancel_requested)

\* session2: nobody but the authority requests the end of a run
\* always, on session2.register, session2.attach, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.apply_boundary, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.stop, session2.executor_exited, session2.reset, session2.recycle, session2.checkpoint, session2.note, session2.retire, session2.archive, session2.recover, session2.destroy: (not (session2.cancel_requested') or session2.cancel_requested)
Session2NobodyButTheAuthorityRequestsTheEnd ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~session2_cancel_requested' \/ session2_cancel_requested)
    ]_vars

\* session2: nobody but the authority requests the end of a run: the same for steps that change nothing.
Session2NobodyButTheAuthorityRequestsTheEnd_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~session2_cancel_requested \/ session2_cancel_requested)

\* session1: only a run can be asked to end
\* always: (not (session1.cancel_requested) or session1.phase = running)
Session1OnlyARunCanBeAskedTo ==
    ~session1_cancel_requested \/ (session1_phase = "running")

\* session2: only a run can be asked to end
\* always: (not (session2.cancel_requested) or session2.phase = running)
Session2OnlyARunCanBeAskedTo ==
    ~session2_cancel_requested \/ (session2_phase = "running")

\* session1: a run ends at last, if one that does not end otherwise fails
\* session1.phase = running leads to not (session1.phase = running)
Session1ARunEndsAtLastIfOne ==
    (session1_phase = "running") ~> ~(session1_phase = "running")

\* session2: a run ends at last, if one that does not end otherwise fails
\* session2.phase = running leads to not (session2.phase = running)
Session2ARunEndsAtLastIfOne ==
    (session2_phase = "running") ~> ~(session2_phase = "running")

\* session1: E: each boundary of a run writes a receipt with the next sequence
\* always, on session1.apply_boundary: session1.sequence' = session1.sequence + 1
Session1EEachBoundaryOfARunWrites ==
    [][
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs))
    => (session1_sequence' = (session1_sequence + 1))
    ]_vars

\* session1: E: each boundary of a run writes a receipt with the next sequence: the same for steps that change nothing.
Session1EEachBoundaryOfARunWrites_Enabled ==
    ENABLED (
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs))
    /\ UNCHANGED vars)
    => (session1_sequence = (session1_sequence + 1))

\* session2: E: each boundary of a run writes a receipt with the next sequence
\* always, on session2.apply_boundary: session2.sequence' = session2.sequence + 1
Session2EEachBoundaryOfARunWrites ==
    [][
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs))
    => (session2_sequence' = (session2_sequence + 1))
    ]_vars

\* session2: E: each boundary of a run writes a receipt with the next sequence: the same for steps that change nothing.
Session2EEachBoundaryOfARunWrites_Enabled ==
    ENABLED (
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs))
    /\ UNCHANGED vars)
    => (session2_sequence = (session2_sequence + 1))

\* session1: E: nothing but a boundary writes a receipt, and no run reuses a sequence
\* always, on session1.register, session1.attach, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.reset, session1.recycle, session1.checkpoint, session1.note, session1.retire, session1.archive, session1.recover, session1.destroy: (not (session1.phase' = running) or session1.sequence' = session1.sequence)
Session1ENothingButABoundaryWritesA ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~(session1_phase' = "running") \/ ((session1_sequence' = session1_sequence)))
    ]_vars

\* session1: E: nothing but a boundary writes a receipt, and no run reuses a sequence: the same for steps that change nothing.
Session1ENothingButABoundaryWritesA_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~(session1_phase = "running") \/ ((session1_sequence = session1_sequence)))

\* session2: E: nothing but a boundary writes a receipt, and no run reuses a sequence
\* always, on session2.register, session2.attach, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.reset, session2.recycle, session2.checkpoint, session2.note, session2.retire, session2.archive, session2.recover, session2.destroy: (not (session2.phase' = running) or session2.sequence' = session2.sequence)
Session2ENothingButABoundaryWritesA ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~(session2_phase' = "running") \/ ((session2_sequence' = session2_sequence)))
    ]_vars

\* session2: E: nothing but a boundary writes a receipt, and no run reuses a sequence: the same for steps that change nothing.
Session2ENothingButABoundaryWritesA_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~(session2_phase = "running") \/ ((session2_sequence = session2_sequence)))

\* session1: E: sequences count from the start of each run
\* always: (not (session1.sequence > 0) or session1.phase = running)
Session1ESequencesCountFromTheStartOf ==
    ~(session1_sequence > 0) \/ (session1_phase = "running")

\* session2: E: sequences count from the start of each run
\* always: (not (session2.sequence > 0) or session2.phase = running)
Session2ESequencesCountFromTheStartOf ==
    ~(session2_sequence > 0) \/ (session2_phase = "running")

\* session1: a run lands several boundaries
\* sometimes: session1.sequence > 1
\* Some state has it: check this as an invariant, and be shown one.
NeverSession1ARunLandsSeveralBoundaries ==
    ~(session1_sequence > 1)

\* session2: a run lands several boundaries
\* sometimes: session2.sequence > 1
\* Some state has it: check this as an invariant, and be shown one.
NeverSession2ARunLandsSeveralBoundaries ==
    ~(session2_sequence > 1)

\* session1: only a run has inputs staged
\* always: (not (session1.staged > 0) or session1.phase = running)
Session1OnlyARunHasInputsStaged ==
    ~(session1_staged > 0) \/ (session1_phase = "running")

\* session2: only a run has inputs staged
\* always: (not (session2.staged > 0) or session2.phase = running)
Session2OnlyARunHasInputsStaged ==
    ~(session2_staged > 0) \/ (session2_phase = "running")

\* session1: there is always room to give back what a run has staged
\* always: session1.queued + session1.staged <= input_capacity
Session1ThereIsAlwaysRoomToGiveBack ==
    (session1_queued + session1_staged) <= input_capacity

\* session2: there is always room to give back what a run has staged
\* always: session2.queued + session2.staged <= input_capacity
Session2ThereIsAlwaysRoomToGiveBack ==
    (session2_queued + session2_staged) <= input_capacity

\* session1: an accepted input waits in the queue
\* always, on session1.accept_input: session1.queued' = session1.queued + 1 and session1.staged' = session1.staged
Session1AnAcceptedInputWaitsInTheQueue ==
    [][
    (Session1AcceptInput)
    => ((session1_queued' = (session1_queued + 1)) /\ ((session1_staged' = session1_staged)))
    ]_vars

\* session1: an accepted input waits in the queue: the same for steps that change nothing.
Session1AnAcceptedInputWaitsInTheQueue_Enabled ==
    ENABLED (
    (Session1AcceptInput)
    /\ UNCHANGED vars)
    => ((session1_queued = (session1_queued + 1)) /\ ((session1_staged = session1_staged)))

\* session2: an accepted input waits in the queue
\* always, on session2.accept_input: session2.queued' = session2.queued + 1 and session2.staged' = session2.staged
Session2AnAcceptedInputWaitsInTheQueue ==
    [][
    (Session2AcceptInput)
    => ((session2_queued' = (session2_queued + 1)) /\ ((session2_staged' = session2_staged)))
    ]_vars

\* session2: an accepted input waits in the queue: the same for steps that change nothing.
Session2AnAcceptedInputWaitsInTheQueue_Enabled ==
    ENABLED (
    (Session2AcceptInput)
    /\ UNCHANGED vars)
    => ((session2_queued = (session2_queued + 1)) /\ ((session2_staged = session2_staged)))

\* session1: a run takes from the queue just the inputs it is given
\* always, on session1.begin_run, session1.apply_boundary: session1.staged' = given inputs and session1.queued' = session1.queued - given inputs
Session1ARunTakesFromTheQueueJust ==
    [][
    \A given_inputs \in 0..input_capacity :
        (\/ \E given_run \in RunIds : Session1BeginRun(given_run, given_inputs)
         \/ \E given_run \in RunIds : Session1ApplyBoundary(given_run, given_inputs))
        => ((session1_staged' = given_inputs) /\ (session1_queued' = (session1_queued - given_inputs)))
    ]_vars

\* session1: a run takes from the queue just the inputs it is given: the same for steps that change nothing.
Session1ARunTakesFromTheQueueJust_Enabled ==
    \A given_inputs \in 0..input_capacity :
        ENABLED (
        (\E given_run \in RunIds : Session1ApplyBoundary(given_run, given_inputs))
        /\ UNCHANGED vars)
        => ((session1_staged = given_inputs) /\ (session1_queued = (session1_queued - given_inputs)))

\* session2: a run takes from the queue just the inputs it is given
\* always, on session2.begin_run, session2.apply_boundary: session2.staged' = given inputs and session2.queued' = session2.queued - given inputs
Session2ARunTakesFromTheQueueJust ==
    [][
    \A given_inputs \in 0..input_capacity :
        (\/ \E given_run \in RunIds : Session2BeginRun(given_run, given_inputs)
         \/ \E given_run \in RunIds : Session2ApplyBoundary(given_run, given_inputs))
        => ((session2_staged' = given_inputs) /\ (session2_queued' = (session2_queued - given_inputs)))
    ]_vars

\* session2: a run takes from the queue just the inputs it is given: the same for steps that change nothing.
Session2ARunTakesFromTheQueueJust_Enabled ==
    \A given_inputs \in 0..input_capacity :
        ENABLED (
        (\E given_run \in RunIds : Session2ApplyBoundary(given_run, given_inputs))
        /\ UNCHANGED vars)
        => ((session2_staged = given_inputs) /\ (session2_queued = (session2_queued - given_inputs)))

\* session1: what is dropped was waiting in the queue
\* always, on session1.drop_input: session1.queued' = session1.queued - given inputs and session1.queued' < session1.queued and session1.staged' = session1.staged
Session1WhatIsDroppedWasWaitingInThe ==
    [][
    \A given_inputs \in 0..input_capacity :
        (Session1DropInput(given_inputs))
        => (((session1_queued' = (session1_queued - given_inputs)) /\ (session1_queued' < session1_queued)) /\ ((session1_staged' = session1_staged)))
    ]_vars

\* session1: what is dropped was waiting in the queue: the same for steps that change nothing.
Session1WhatIsDroppedWasWaitingInThe_Enabled ==
    \A given_inputs \in 0..input_capacity :
        ENABLED (
        (Session1DropInput(given_inputs))
        /\ UNCHANGED vars)
        => (((session1_queued = (session1_queued - given_inputs)) /\ (session1_queued < session1_queued)) /\ ((session1_staged = session1_staged)))

\* session2: what is dropped was waiting in the queue
\* always, on session2.drop_input: session2.queued' = session2.queued - given inputs and session2.queued' < session2.queued and session2.staged' = session2.staged
Session2WhatIsDroppedWasWaitingInThe ==
    [][
    \A given_inputs \in 0..input_capacity :
        (Session2DropInput(given_inputs))
        => (((session2_queued' = (session2_queued - given_inputs)) /\ (session2_queued' < session2_queued)) /\ ((session2_staged' = session2_staged)))
    ]_vars

\* session2: what is dropped was waiting in the queue: the same for steps that change nothing.
Session2WhatIsDroppedWasWaitingInThe_Enabled ==
    \A given_inputs \in 0..input_capacity :
        ENABLED (
        (Session2DropInput(given_inputs))
        /\ UNCHANGED vars)
        => (((session2_queued = (session2_queued - given_inputs)) /\ (session2_queued < session2_queued)) /\ ((session2_staged = session2_staged)))

\* session1: C: an input that a receipt names is never given back: what a run holds changes at a boundary only
\* always, on session1.register, session1.attach, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.reset, session1.recycle, session1.checkpoint, session1.note, session1.retire, session1.archive, session1.recover, session1.destroy: (not (session1.phase = running and session1.phase' = running) or session1.staged' = session1.staged)
Session1CAnInputThatAReceiptNames ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~((session1_phase = "running") /\ (session1_phase' = "running")) \/ ((session1_staged' = session1_staged)))
    ]_vars

\* session1: C: an input that a receipt names is never given back: what a run holds changes at a boundary only: the same for steps that change nothing.
Session1CAnInputThatAReceiptNames_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~((session1_phase = "running") /\ (session1_phase = "running")) \/ ((session1_staged = session1_staged)))

\* session2: C: an input that a receipt names is never given back: what a run holds changes at a boundary only
\* always, on session2.register, session2.attach, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.reset, session2.recycle, session2.checkpoint, session2.note, session2.retire, session2.archive, session2.recover, session2.destroy: (not (session2.phase = running and session2.phase' = running) or session2.staged' = session2.staged)
Session2CAnInputThatAReceiptNames ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~((session2_phase = "running") /\ (session2_phase' = "running")) \/ ((session2_staged' = session2_staged)))
    ]_vars

\* session2: C: an input that a receipt names is never given back: what a run holds changes at a boundary only: the same for steps that change nothing.
Session2CAnInputThatAReceiptNames_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~((session2_phase = "running") /\ (session2_phase = "running")) \/ ((session2_staged = session2_staged)))

\* session1: C: no input is lost or made up: what no receipt names is given back in full
\* always, on session1.register, session1.attach, session1.detach, session1.begin_run, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.recycle, session1.checkpoint, session1.note, session1.retire, session1.archive, session1.recover: session1.queued' + session1.staged' = session1.queued + session1.staged
Session1CNoInputIsLostOrMade ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Archive
     \/ Session1Recover)
    => ((session1_queued' + session1_staged') = (session1_queued + session1_staged))
    ]_vars

\* session1: C: no input is lost or made up: what no receipt names is given back in full: the same for steps that change nothing.
Session1CNoInputIsLostOrMade_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => ((session1_queued + session1_staged) = (session1_queued + session1_staged))

\* session2: C: no input is lost or made up: what no receipt names is given back in full
\* always, on session2.register, session2.attach, session2.detach, session2.begin_run, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.recycle, session2.checkpoint, session2.note, session2.retire, session2.archive, session2.recover: session2.queued' + session2.staged' = session2.queued + session2.staged
Session2CNoInputIsLostOrMade ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Archive
     \/ Session2Recover)
    => ((session2_queued' + session2_staged') = (session2_queued + session2_staged))
    ]_vars

\* session2: C: no input is lost or made up: what no receipt names is given back in full: the same for steps that change nothing.
Session2CNoInputIsLostOrMade_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => ((session2_queued + session2_staged) = (session2_queued + session2_staged))

\* session1: C: a run completes only once a receipt names each of its inputs
\* always, on session1.complete_run: session1.staged = 0
Session1CARunCompletesOnlyOnceA_Enabled ==
    ENABLED (
    (\E given_run \in RunIds : Session1CompleteRun(given_run)))
    => (session1_staged = 0)

\* session2: C: a run completes only once a receipt names each of its inputs
\* always, on session2.complete_run: session2.staged = 0
Session2CARunCompletesOnlyOnceA_Enabled ==
    ENABLED (
    (\E given_run \in RunIds : Session2CompleteRun(given_run)))
    => (session2_staged = 0)

\* session1: a session that starts over afresh, or has ended, holds no input
\* always, on session1.reset, session1.archive, session1.destroy: session1.queued' + session1.staged' = 0
Session1ASessionThatStartsOverAfreshOr ==
    [][
    (\/ Session1Reset
     \/ Session1Archive
     \/ Session1Destroy)
    => ((session1_queued' + session1_staged') = 0)
    ]_vars

\* session1: a session that starts over afresh, or has ended, holds no input: the same for steps that change nothing.
Session1ASessionThatStartsOverAfreshOr_Enabled ==
    ENABLED (
    (Session1Reset)
    /\ UNCHANGED vars)
    => ((session1_queued + session1_staged) = 0)

\* session2: a session that starts over afresh, or has ended, holds no input
\* always, on session2.reset, session2.archive, session2.destroy: session2.queued' + session2.staged' = 0
Session2ASessionThatStartsOverAfreshOr ==
    [][
    (\/ Session2Reset
     \/ Session2Archive
     \/ Session2Destroy)
    => ((session2_queued' + session2_staged') = 0)
    ]_vars

\* session2: a session that starts over afresh, or has ended, holds no input: the same for steps that change nothing.
Session2ASessionThatStartsOverAfreshOr_Enabled ==
    ENABLED (
    (Session2Reset)
    /\ UNCHANGED vars)
    => ((session2_queued + session2_staged) = 0)

\* session1: inputs wait while a run has others staged
\* sometimes: session1.queued > 0 and session1.staged > 0
\* Some state has it: check this as an invariant, and be shown one.
NeverSession1InputsWaitWhileARunHasOthers ==
    ~((session1_queued > 0) /\ (session1_staged > 0))

\* session2: inputs wait while a run has others staged
\* sometimes: session2.queued > 0 and session2.staged > 0
\* Some state has it: check this as an invariant, and be shown one.
NeverSession2InputsWaitWhileARunHasOthers ==
    ~((session2_queued > 0) /\ (session2_staged > 0))

\* session1: F: no input is admitted while a session drains, or before it begins
\* always: (not (((session1.phase = retired or session1.return_to = retired) or (session1.phase = unregistered or session1.phase = stopped))) or session1.queued' + session1.staged' <= session1.queued + session1.staged)
Session1FNoInputIsAdmittedWhileA ==
    [][
    (~(((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ (session1_phase \in {"unregistered", "stopped"})) \/ ((session1_queued' + session1_staged') <= (session1_queued + session1_staged)))
    ]_vars

\* session1: F: no input is admitted while a session drains, or before it begins: the same for steps that change nothing.
Session1FNoInputIsAdmittedWhileA_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ (session1_phase \in {"unregistered", "stopped"})) \/ ((session1_queued + session1_staged) <= (session1_queued + session1_staged)))

\* session2: F: no input is admitted while a session drains, or before it begins
\* always: (not (((session2.phase = retired or session2.return_to = retired) or (session2.phase = unregistered or session2.phase = stopped))) or session2.queued' + session2.staged' <= session2.queued + session2.staged)
Session2FNoInputIsAdmittedWhileA ==
    [][
    (~(((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ (session2_phase \in {"unregistered", "stopped"})) \/ ((session2_queued' + session2_staged') <= (session2_queued + session2_staged)))
    ]_vars

\* session2: F: no input is admitted while a session drains, or before it begins: the same for steps that change nothing.
Session2FNoInputIsAdmittedWhileA_Enabled ==
    ENABLED (
    (Step)
    /\ UNCHANGED vars)
    => (~(((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ (session2_phase \in {"unregistered", "stopped"})) \/ ((session2_queued + session2_staged) <= (session2_queued + session2_staged)))

\* session1: F: a session that has retired stays so unless it is started over or ends
\* always, on session1.register, session1.attach, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.apply_boundary, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.checkpoint, session1.note, session1.retire, session1.archive, session1.recover, session1.destroy: (not ((session1.phase = retired or session1.return_to = retired)) or ((session1.phase' = retired or session1.return_to' = retired) or (session1.phase' = archived or session1.phase' = destroyed)))
Session1FASessionThatHasRetiredStays ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ (((session1_phase' = "retired") \/ (session1_return_to' = "retired")) \/ (session1_phase' \in {"archived", "destroyed"})))
    ]_vars

\* session1: F: a session that has retired stays so unless it is started over or ends: the same for steps that change nothing.
Session1FASessionThatHasRetiredStays_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ (((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ (session1_phase \in {"archived", "destroyed"})))

\* session2: F: a session that has retired stays so unless it is started over or ends
\* always, on session2.register, session2.attach, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.apply_boundary, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.checkpoint, session2.note, session2.retire, session2.archive, session2.recover, session2.destroy: (not ((session2.phase = retired or session2.return_to = retired)) or ((session2.phase' = retired or session2.return_to' = retired) or (session2.phase' = archived or session2.phase' = destroyed)))
Session2FASessionThatHasRetiredStays ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ (((session2_phase' = "retired") \/ (session2_return_to' = "retired")) \/ (session2_phase' \in {"archived", "destroyed"})))
    ]_vars

\* session2: F: a session that has retired stays so unless it is started over or ends: the same for steps that change nothing.
Session2FASessionThatHasRetiredStays_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ (((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ (session2_phase \in {"archived", "destroyed"})))

\* session1: a session that is started over takes input again
\* always, on session1.reset, session1.recycle: not ((session1.phase' = retired or session1.return_to' = retired)) and (session1.phase' = idle or session1.phase' = attached)
Session1ASessionThatIsStartedOverTakes ==
    [][
    (\/ Session1Reset
     \/ Session1Recycle)
    => (~((session1_phase' = "retired") \/ (session1_return_to' = "retired")) /\ (session1_phase' \in {"idle", "attached"}))
    ]_vars

\* session1: a session that is started over takes input again: the same for steps that change nothing.
Session1ASessionThatIsStartedOverTakes_Enabled ==
    ENABLED (
    (\/ Session1Reset
     \/ Session1Recycle)
    /\ UNCHANGED vars)
    => (~((session1_phase = "retired") \/ (session1_return_to = "retired")) /\ (session1_phase \in {"idle", "attached"}))

\* session2: a session that is started over takes input again
\* always, on session2.reset, session2.recycle: not ((session2.phase' = retired or session2.return_to' = retired)) and (session2.phase' = idle or session2.phase' = attached)
Session2ASessionThatIsStartedOverTakes ==
    [][
    (\/ Session2Reset
     \/ Session2Recycle)
    => (~((session2_phase' = "retired") \/ (session2_return_to' = "retired")) /\ (session2_phase' \in {"idle", "attached"}))
    ]_vars

\* session2: a session that is started over takes input again: the same for steps that change nothing.
Session2ASessionThatIsStartedOverTakes_Enabled ==
    ENABLED (
    (\/ Session2Reset
     \/ Session2Recycle)
    /\ UNCHANGED vars)
    => (~((session2_phase = "retired") \/ (session2_return_to = "retired")) /\ (session2_phase \in {"idle", "attached"}))

\* session1: only retiring closes a session to input
\* always, on session1.register, session1.attach, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.apply_boundary, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.reset, session1.recycle, session1.checkpoint, session1.note, session1.archive, session1.recover, session1.destroy: (not ((session1.phase' = retired or session1.return_to' = retired)) or (session1.phase = retired or session1.return_to = retired))
Session1OnlyRetiringClosesASessionToInput ==
    [][
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~((session1_phase' = "retired") \/ (session1_return_to' = "retired")) \/ ((session1_phase = "retired") \/ (session1_return_to = "retired")))
    ]_vars

\* session1: only retiring closes a session to input: the same for steps that change nothing.
Session1OnlyRetiringClosesASessionToInput_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1Attach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ ((session1_phase = "retired") \/ (session1_return_to = "retired")))

\* session2: only retiring closes a session to input
\* always, on session2.register, session2.attach, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.apply_boundary, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.reset, session2.recycle, session2.checkpoint, session2.note, session2.archive, session2.recover, session2.destroy: (not ((session2.phase' = retired or session2.return_to' = retired)) or (session2.phase = retired or session2.return_to = retired))
Session2OnlyRetiringClosesASessionToInput ==
    [][
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~((session2_phase' = "retired") \/ (session2_return_to' = "retired")) \/ ((session2_phase = "retired") \/ (session2_return_to = "retired")))
    ]_vars

\* session2: only retiring closes a session to input: the same for steps that change nothing.
Session2OnlyRetiringClosesASessionToInput_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2Attach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ ((session2_phase = "retired") \/ (session2_return_to = "retired")))

\* session1: retiring closes a session to input
\* always, on session1.retire: (session1.phase' = retired or session1.return_to' = retired)
Session1RetiringClosesASessionToInput ==
    [][
    (Session1Retire)
    => ((session1_phase' = "retired") \/ (session1_return_to' = "retired"))
    ]_vars

\* session1: retiring closes a session to input: the same for steps that change nothing.
Session1RetiringClosesASessionToInput_Enabled ==
    ENABLED (
    (Session1Retire)
    /\ UNCHANGED vars)
    => ((session1_phase = "retired") \/ (session1_return_to = "retired"))

\* session2: retiring closes a session to input
\* always, on session2.retire: (session2.phase' = retired or session2.return_to' = retired)
Session2RetiringClosesASessionToInput ==
    [][
    (Session2Retire)
    => ((session2_phase' = "retired") \/ (session2_return_to' = "retired"))
    ]_vars

\* session2: retiring closes a session to input: the same for steps that change nothing.
Session2RetiringClosesASessionToInput_Enabled ==
    ENABLED (
    (Session2Retire)
    /\ UNCHANGED vars)
    => ((session2_phase = "retired") \/ (session2_return_to = "retired"))

\* session1: F: retiring never strands the commit of a run: the run goes on as it was
\* always, on session1.retire: (not (session1.phase = running) or session1.phase' = running and session1.run' = session1.run and session1.staged' = session1.staged and session1.sequence' = session1.sequence)
Session1FRetiringNeverStrandsTheCommitOf ==
    [][
    (Session1Retire)
    => (~(session1_phase = "running") \/ ((session1_phase' = "running") /\ ((session1_run' = session1_run) /\ (session1_staged' = session1_staged) /\ (session1_sequence' = session1_sequence))))
    ]_vars

\* session1: F: retiring never strands the commit of a run: the run goes on as it was: the same for steps that change nothing.
Session1FRetiringNeverStrandsTheCommitOf_Enabled ==
    ENABLED (
    (Session1Retire)
    /\ UNCHANGED vars)
    => (~(session1_phase = "running") \/ ((session1_phase = "running") /\ ((session1_run = session1_run) /\ (session1_staged = session1_staged) /\ (session1_sequence = session1_sequence))))

\* session2: F: retiring never strands the commit of a run: the run goes on as it was
\* always, on session2.retire: (not (session2.phase = running) or session2.phase' = running and session2.run' = session2.run and session2.staged' = session2.staged and session2.sequence' = session2.sequence)
Session2FRetiringNeverStrandsTheCommitOf ==
    [][
    (Session2Retire)
    => (~(session2_phase = "running") \/ ((session2_phase' = "running") /\ ((session2_run' = session2_run) /\ (session2_staged' = session2_staged) /\ (session2_sequence' = session2_sequence))))
    ]_vars

\* session2: F: retiring never strands the commit of a run: the run goes on as it was: the same for steps that change nothing.
Session2FRetiringNeverStrandsTheCommitOf_Enabled ==
    ENABLED (
    (Session2Retire)
    /\ UNCHANGED vars)
    => (~(session2_phase = "running") \/ ((session2_phase = "running") /\ ((session2_run = session2_run) /\ (session2_staged = session2_staged) /\ (session2_sequence = session2_sequence))))

\* session1: a session that drains runs only to work off its queue
\* always, on session1.begin_run: (not ((session1.phase = retired or session1.return_to = retired)) or session1.staged' > 0)
Session1ASessionThatDrainsRunsOnlyTo ==
    [][
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs))
    => (~((session1_phase = "retired") \/ (session1_return_to = "retired")) \/ (session1_staged' > 0))
    ]_vars

\* session2: a session that drains runs only to work off its queue
\* always, on session2.begin_run: (not ((session2.phase = retired or session2.return_to = retired)) or session2.staged' > 0)
Session2ASessionThatDrainsRunsOnlyTo ==
    [][
    (\E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs))
    => (~((session2_phase = "retired") \/ (session2_return_to = "retired")) \/ (session2_staged' > 0))
    ]_vars

\* session1: context comes in only during a run, or where one may follow
\* always, on session1.append_context, session1.stage_context, session1.stage_tool_results: (not ((session1.phase = retired or session1.return_to = retired) and not (session1.phase = running)) or session1.queued > 0)
Session1ContextComesInOnlyDuringARun_Enabled ==
    ENABLED (
    (\/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults))
    => (~(((session1_phase = "retired") \/ (session1_return_to = "retired")) /\ ~(session1_phase = "running")) \/ (session1_queued > 0))

\* session2: context comes in only during a run, or where one may follow
\* always, on session2.append_context, session2.stage_context, session2.stage_tool_results: (not ((session2.phase = retired or session2.return_to = retired) and not (session2.phase = running)) or session2.queued > 0)
Session2ContextComesInOnlyDuringARun_Enabled ==
    ENABLED (
    (\/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults))
    => (~(((session2_phase = "retired") \/ (session2_return_to = "retired")) /\ ~(session2_phase = "running")) \/ (session2_queued > 0))

\* session1: only a retired session without pending input is archived
\* always, on session1.archive: session1.phase = retired and session1.queued + session1.staged = 0 and session1.phase' = archived
Session1OnlyARetiredSessionWithoutPendingInput ==
    [][
    (Session1Archive)
    => (((session1_phase = "retired") /\ ((session1_queued + session1_staged) = 0)) /\ (session1_phase' = "archived"))
    ]_vars

\* session2: only a retired session without pending input is archived
\* always, on session2.archive: session2.phase = retired and session2.queued + session2.staged = 0 and session2.phase' = archived
Session2OnlyARetiredSessionWithoutPendingInput ==
    [][
    (Session2Archive)
    => (((session2_phase = "retired") /\ ((session2_queued + session2_staged) = 0)) /\ (session2_phase' = "archived"))
    ]_vars

\* session1: a session retires during a run
\* sometimes: session1.phase = running and session1.return_to = retired
\* Some state has it: check this as an invariant, and be shown one.
NeverSession1ASessionRetiresDuringARun ==
    ~((session1_phase = "running") /\ (session1_return_to = "retired"))

\* session2: a session retires during a run
\* sometimes: session2.phase = running and session2.return_to = retired
\* Some state has it: check this as an invariant, and be shown one.
NeverSession2ASessionRetiresDuringARun ==
    ~((session2_phase = "running") /\ (session2_return_to = "retired"))

\* session1: F: from everywhere but destroyed, a session can still be archived
\* always possible, from where not (session1.phase = destroyed): session1.phase = archived
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalSession1FFromEverywhereButDestroyedASession ==
    session1_phase = "archived"

\* From every reachable state of which this holds:
GoalSession1FFromEverywhereButDestroyedASession_From ==
    ~(session1_phase = "destroyed")

\* session2: F: from everywhere but destroyed, a session can still be archived
\* always possible, from where not (session2.phase = destroyed): session2.phase = archived
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalSession2FFromEverywhereButDestroyedASession ==
    session2_phase = "archived"

\* From every reachable state of which this holds:
GoalSession2FFromEverywhereButDestroyedASession_From ==
    ~(session2_phase = "destroyed")

\* session1: F: no phase absorbs: a session that has not ended can run again and land a boundary
\* always possible, from where not ((session1.phase = archived or session1.phase = destroyed)): session1.phase = running and session1.sequence > 0
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalSession1FNoPhaseAbsorbsASessionThat ==
    (session1_phase = "running") /\ (session1_sequence > 0)

\* From every reachable state of which this holds:
GoalSession1FNoPhaseAbsorbsASessionThat_From ==
    ~(session1_phase \in {"archived", "destroyed"})

\* session2: F: no phase absorbs: a session that has not ended can run again and land a boundary
\* always possible, from where not ((session2.phase = archived or session2.phase = destroyed)): session2.phase = running and session2.sequence > 0
\* TLC has no word for possibility (AG EF). perdure's checker checks that such
\* a state can be reached from every reachable one; this is its condition.
GoalSession2FNoPhaseAbsorbsASessionThat ==
    (session2_phase = "running") /\ (session2_sequence > 0)

\* From every reachable state of which this holds:
GoalSession2FNoPhaseAbsorbsASessionThat_From ==
    ~(session2_phase \in {"archived", "destroyed"})

\* session1: facts, context and checkpoints move nothing
\* always, on session1.append_context, session1.stage_context, session1.stage_tool_results, session1.checkpoint, session1.note: session1.phase' = session1.phase and session1.run' = session1.run and session1.return_to' = session1.return_to and session1.cancel_requested' = session1.cancel_requested and session1.queued' = session1.queued and session1.staged' = session1.staged and session1.sequence' = session1.sequence
Session1FactsContextAndCheckpointsMoveNothing ==
    [][
    (\/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Checkpoint
     \/ Session1Note)
    => ((session1_phase' = session1_phase) /\ (session1_run' = session1_run) /\ (session1_return_to' = session1_return_to) /\ (session1_cancel_requested' = session1_cancel_requested) /\ (session1_queued' = session1_queued) /\ (session1_staged' = session1_staged) /\ (session1_sequence' = session1_sequence))
    ]_vars

\* session1: facts, context and checkpoints move nothing: the same for steps that change nothing.
Session1FactsContextAndCheckpointsMoveNothing_Enabled ==
    ENABLED (
    (\/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Checkpoint
     \/ Session1Note)
    /\ UNCHANGED vars)
    => ((session1_phase = session1_phase) /\ (session1_run = session1_run) /\ (session1_return_to = session1_return_to) /\ (session1_cancel_requested = session1_cancel_requested) /\ (session1_queued = session1_queued) /\ (session1_staged = session1_staged) /\ (session1_sequence = session1_sequence))

\* session2: facts, context and checkpoints move nothing
\* always, on session2.append_context, session2.stage_context, session2.stage_tool_results, session2.checkpoint, session2.note: session2.phase' = session2.phase and session2.run' = session2.run and session2.return_to' = session2.return_to and session2.cancel_requested' = session2.cancel_requested and session2.queued' = session2.queued and session2.staged' = session2.staged and session2.sequence' = session2.sequence
Session2FactsContextAndCheckpointsMoveNothing ==
    [][
    (\/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Checkpoint
     \/ Session2Note)
    => ((session2_phase' = session2_phase) /\ (session2_run' = session2_run) /\ (session2_return_to' = session2_return_to) /\ (session2_cancel_requested' = session2_cancel_requested) /\ (session2_queued' = session2_queued) /\ (session2_staged' = session2_staged) /\ (session2_sequence' = session2_sequence))
    ]_vars

\* session2: facts, context and checkpoints move nothing: the same for steps that change nothing.
Session2FactsContextAndCheckpointsMoveNothing_Enabled ==
    ENABLED (
    (\/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Checkpoint
     \/ Session2Note)
    /\ UNCHANGED vars)
    => ((session2_phase = session2_phase) /\ (session2_run = session2_run) /\ (session2_return_to = session2_return_to) /\ (session2_cancel_requested = session2_cancel_requested) /\ (session2_queued = session2_queued) /\ (session2_staged = session2_staged) /\ (session2_sequence = session2_sequence))

\* session1: registering again changes nothing
\* always, on session1.register: (not (not (session1.phase = unregistered)) or session1.phase' = session1.phase and session1.run' = session1.run and session1.return_to' = session1.return_to and session1.cancel_requested' = session1.cancel_requested and session1.queued' = session1.queued and session1.staged' = session1.staged and session1.sequence' = session1.sequence)
Session1RegisteringAgainChangesNothing ==
    [][
    (Session1Register)
    => (~~(session1_phase = "unregistered") \/ ((session1_phase' = session1_phase) /\ (session1_run' = session1_run) /\ (session1_return_to' = session1_return_to) /\ (session1_cancel_requested' = session1_cancel_requested) /\ (session1_queued' = session1_queued) /\ (session1_staged' = session1_staged) /\ (session1_sequence' = session1_sequence)))
    ]_vars

\* session1: registering again changes nothing: the same for steps that change nothing.
Session1RegisteringAgainChangesNothing_Enabled ==
    ENABLED (
    (Session1Register)
    /\ UNCHANGED vars)
    => (~~(session1_phase = "unregistered") \/ ((session1_phase = session1_phase) /\ (session1_run = session1_run) /\ (session1_return_to = session1_return_to) /\ (session1_cancel_requested = session1_cancel_requested) /\ (session1_queued = session1_queued) /\ (session1_staged = session1_staged) /\ (session1_sequence = session1_sequence)))

\* session2: registering again changes nothing
\* always, on session2.register: (not (not (session2.phase = unregistered)) or session2.phase' = session2.phase and session2.run' = session2.run and session2.return_to' = session2.return_to and session2.cancel_requested' = session2.cancel_requested and session2.queued' = session2.queued and session2.staged' = session2.staged and session2.sequence' = session2.sequence)
Session2RegisteringAgainChangesNothing ==
    [][
    (Session2Register)
    => (~~(session2_phase = "unregistered") \/ ((session2_phase' = session2_phase) /\ (session2_run' = session2_run) /\ (session2_return_to' = session2_return_to) /\ (session2_cancel_requested' = session2_cancel_requested) /\ (session2_queued' = session2_queued) /\ (session2_staged' = session2_staged) /\ (session2_sequence' = session2_sequence)))
    ]_vars

\* session2: registering again changes nothing: the same for steps that change nothing.
Session2RegisteringAgainChangesNothing_Enabled ==
    ENABLED (
    (Session2Register)
    /\ UNCHANGED vars)
    => (~~(session2_phase = "unregistered") \/ ((session2_phase = session2_phase) /\ (session2_run = session2_run) /\ (session2_return_to = session2_return_to) /\ (session2_cancel_requested = session2_cancel_requested) /\ (session2_queued = session2_queued) /\ (session2_staged = session2_staged) /\ (session2_sequence = session2_sequence)))

\* session1: recovering changes nothing where no run was in flight
\* always, on session1.recover: (not (not (session1.phase = running)) or session1.phase' = session1.phase and session1.run' = session1.run and session1.return_to' = session1.return_to and session1.cancel_requested' = session1.cancel_requested and session1.queued' = session1.queued and session1.staged' = session1.staged and session1.sequence' = session1.sequence)
Session1RecoveringChangesNothingWhereNoRunWas ==
    [][
    (Session1Recover)
    => (~~(session1_phase = "running") \/ ((session1_phase' = session1_phase) /\ (session1_run' = session1_run) /\ (session1_return_to' = session1_return_to) /\ (session1_cancel_requested' = session1_cancel_requested) /\ (session1_queued' = session1_queued) /\ (session1_staged' = session1_staged) /\ (session1_sequence' = session1_sequence)))
    ]_vars

\* session1: recovering changes nothing where no run was in flight: the same for steps that change nothing.
Session1RecoveringChangesNothingWhereNoRunWas_Enabled ==
    ENABLED (
    (Session1Recover)
    /\ UNCHANGED vars)
    => (~~(session1_phase = "running") \/ ((session1_phase = session1_phase) /\ (session1_run = session1_run) /\ (session1_return_to = session1_return_to) /\ (session1_cancel_requested = session1_cancel_requested) /\ (session1_queued = session1_queued) /\ (session1_staged = session1_staged) /\ (session1_sequence = session1_sequence)))

\* session2: recovering changes nothing where no run was in flight
\* always, on session2.recover: (not (not (session2.phase = running)) or session2.phase' = session2.phase and session2.run' = session2.run and session2.return_to' = session2.return_to and session2.cancel_requested' = session2.cancel_requested and session2.queued' = session2.queued and session2.staged' = session2.staged and session2.sequence' = session2.sequence)
Session2RecoveringChangesNothingWhereNoRunWas ==
    [][
    (Session2Recover)
    => (~~(session2_phase = "running") \/ ((session2_phase' = session2_phase) /\ (session2_run' = session2_run) /\ (session2_return_to' = session2_return_to) /\ (session2_cancel_requested' = session2_cancel_requested) /\ (session2_queued' = session2_queued) /\ (session2_staged' = session2_staged) /\ (session2_sequence' = session2_sequence)))
    ]_vars

\* session2: recovering changes nothing where no run was in flight: the same for steps that change nothing.
Session2RecoveringChangesNothingWhereNoRunWas_Enabled ==
    ENABLED (
    (Session2Recover)
    /\ UNCHANGED vars)
    => (~~(session2_phase = "running") \/ ((session2_phase = session2_phase) /\ (session2_run = session2_run) /\ (session2_return_to = session2_return_to) /\ (session2_cancel_requested = session2_cancel_requested) /\ (session2_queued = session2_queued) /\ (session2_staged = session2_staged) /\ (session2_sequence = session2_sequence)))

\* session1: only attaching binds an executor
\* always, on session1.register, session1.detach, session1.accept_input, session1.drop_input, session1.begin_run, session1.apply_boundary, session1.complete_run, session1.fail_run, session1.cancel_run, session1.roll_back_run, session1.append_context, session1.stage_context, session1.stage_tool_results, session1.interrupt, session1.cancel_after_boundary, session1.stop, session1.executor_exited, session1.reset, session1.recycle, session1.checkpoint, session1.note, session1.retire, session1.archive, session1.recover, session1.destroy: (not (session1.phase' = attached) or (session1.phase = attached or session1.return_to = attached))
Session1OnlyAttachingBindsAnExecutor ==
    [][
    (\/ Session1Register
     \/ Session1Detach
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Stop
     \/ Session1ExecutorExited
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Archive
     \/ Session1Recover
     \/ Session1Destroy)
    => (~(session1_phase' = "attached") \/ ((session1_phase = "attached") \/ (session1_return_to = "attached")))
    ]_vars

\* session1: only attaching binds an executor: the same for steps that change nothing.
Session1OnlyAttachingBindsAnExecutor_Enabled ==
    ENABLED (
    (\/ Session1Register
     \/ Session1AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session1DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session1ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session1CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session1FailRun(given_run)
     \/ \E given_run \in RunIds : Session1CancelRun(given_run)
     \/ \E given_run \in RunIds : Session1RollBackRun(given_run)
     \/ Session1AppendContext
     \/ Session1StageContext
     \/ Session1StageToolResults
     \/ Session1Interrupt
     \/ Session1CancelAfterBoundary
     \/ Session1Reset
     \/ Session1Recycle
     \/ Session1Checkpoint
     \/ Session1Note
     \/ Session1Retire
     \/ Session1Recover)
    /\ UNCHANGED vars)
    => (~(session1_phase = "attached") \/ ((session1_phase = "attached") \/ (session1_return_to = "attached")))

\* session2: only attaching binds an executor
\* always, on session2.register, session2.detach, session2.accept_input, session2.drop_input, session2.begin_run, session2.apply_boundary, session2.complete_run, session2.fail_run, session2.cancel_run, session2.roll_back_run, session2.append_context, session2.stage_context, session2.stage_tool_results, session2.interrupt, session2.cancel_after_boundary, session2.stop, session2.executor_exited, session2.reset, session2.recycle, session2.checkpoint, session2.note, session2.retire, session2.archive, session2.recover, session2.destroy: (not (session2.phase' = attached) or (session2.phase = attached or session2.return_to = attached))
Session2OnlyAttachingBindsAnExecutor ==
    [][
    (\/ Session2Register
     \/ Session2Detach
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2BeginRun(given_run, given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Stop
     \/ Session2ExecutorExited
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Archive
     \/ Session2Recover
     \/ Session2Destroy)
    => (~(session2_phase' = "attached") \/ ((session2_phase = "attached") \/ (session2_return_to = "attached")))
    ]_vars

\* session2: only attaching binds an executor: the same for steps that change nothing.
Session2OnlyAttachingBindsAnExecutor_Enabled ==
    ENABLED (
    (\/ Session2Register
     \/ Session2AcceptInput
     \/ \E given_inputs \in 0..input_capacity : Session2DropInput(given_inputs)
     \/ \E given_run \in RunIds, given_inputs \in 0..input_capacity : Session2ApplyBoundary(given_run, given_inputs)
     \/ \E given_run \in RunIds : Session2CompleteRun(given_run)
     \/ \E given_run \in RunIds : Session2FailRun(given_run)
     \/ \E given_run \in RunIds : Session2CancelRun(given_run)
     \/ \E given_run \in RunIds : Session2RollBackRun(given_run)
     \/ Session2AppendContext
     \/ Session2StageContext
     \/ Session2StageToolResults
     \/ Session2Interrupt
     \/ Session2CancelAfterBoundary
     \/ Session2Reset
     \/ Session2Recycle
     \/ Session2Checkpoint
     \/ Session2Note
     \/ Session2Retire
     \/ Session2Recover)
    /\ UNCHANGED vars)
    => (~(session2_phase = "attached") \/ ((session2_phase = "attached") \/ (session2_return_to = "attached")))

\* session1: attaching binds an executor, or lets a retired session work off its queue
\* always, on session1.attach: (session1.phase' = attached or session1.phase' = retired)
Session1AttachingBindsAnExecutorOrLetsA ==
    [][
    (Session1Attach)
    => (session1_phase' \in {"attached", "retired"})
    ]_vars

\* session1: attaching binds an executor, or lets a retired session work off its queue: the same for steps that change nothing.
Session1AttachingBindsAnExecutorOrLetsA_Enabled ==
    ENABLED (
    (Session1Attach)
    /\ UNCHANGED vars)
    => (session1_phase \in {"attached", "retired"})

\* session2: attaching binds an executor, or lets a retired session work off its queue
\* always, on session2.attach: (session2.phase' = attached or session2.phase' = retired)
Session2AttachingBindsAnExecutorOrLetsA ==
    [][
    (Session2Attach)
    => (session2_phase' \in {"attached", "retired"})
    ]_vars

\* session2: attaching binds an executor, or lets a retired session work off its queue: the same for steps that change nothing.
Session2AttachingBindsAnExecutorOrLetsA_Enabled ==
    ENABLED (
    (Session2Attach)
    /\ UNCHANGED vars)
    => (session2_phase \in {"attached", "retired"})

\* session1: detaching leaves a session idle
\* always, on session1.detach: session1.phase' = idle
Session1DetachingLeavesASessionIdle ==
    [][
    (Session1Detach)
    => (session1_phase' = "idle")
    ]_vars

\* session2: detaching leaves a session idle
\* always, on session2.detach: session2.phase' = idle
Session2DetachingLeavesASessionIdle ==
    [][
    (Session2Detach)
    => (session2_phase' = "idle")
    ]_vars

\* session1: stopping stops
\* always, on session1.stop, session1.executor_exited: session1.phase' = stopped
Session1StoppingStops ==
    [][
    (\/ Session1Stop
     \/ Session1ExecutorExited)
    => (session1_phase' = "stopped")
    ]_vars

\* session2: stopping stops
\* always, on session2.stop, session2.executor_exited: session2.phase' = stopped
Session2StoppingStops ==
    [][
    (\/ Session2Stop
     \/ Session2ExecutorExited)
    => (session2_phase' = "stopped")
    ]_vars

\* session1: destroying ends a session
\* always, on session1.destroy: session1.phase' = destroyed
Session1DestroyingEndsASession ==
    [][
    (Session1Destroy)
    => (session1_phase' = "destroyed")
    ]_vars

\* session2: destroying ends a session
\* always, on session2.destroy: session2.phase' = destroyed
Session2DestroyingEndsASession ==
    [][
    (Session2Destroy)
    => (session2_phase' = "destroyed")
    ]_vars

\* two sessions run at once
\* sometimes: session1.phase = running and session2.phase = running
\* Some state has it: check this as an invariant, and be shown one.
NeverTwoSessionsRunAtOnce ==
    ~((session1_phase = "running") /\ (session2_phase = "running"))

\* one session runs while another is archived
\* sometimes: (session1.phase = running or session2.phase = running) and (session1.phase = archived or session2.phase = archived)
\* Some state has it: check this as an invariant, and be shown one.
NeverOneSessionRunsWhileAnotherIsArchived ==
    ~(((session1_phase = "running") \/ (session2_phase = "running")) /\ ((session1_phase = "archived") \/ (session2_phase = "archived")))
=============================================================================
