"""What users may rely on by name; changing any of it is a decision, not an accident."""

import inspect

import pytest

import perdure
import perdure.machines
import perdure.projections
import perdure.sync
from perdure import Control, Engine, PerdureError, RuntimeAdapter, errors

ENGINE_NAMES = {
    "Agent",
    "AgentFailure",
    "ApplyOutput",
    "AtCapacity",
    "AuditReport",
    "AuthorityRequired",
    "Boundary",
    "CallNotOpen",
    "CallShape",
    "CallbackPending",
    "CallsUnresolved",
    "Cancelled",
    "Checkpoint",
    "CheckpointPolicy",
    "Completed",
    "Conflict",
    "ContextOutput",
    "Control",
    "Delivery",
    "DestroyReport",
    "EchoAgent",
    "Engine",
    "EngineClosed",
    "Environment",
    "ExecutionSnapshot",
    "ExternalToolSurfaceSnapshot",
    "Failed",
    "Finding",
    "Head",
    "HistoryPage",
    "IllegalTransition",
    "IngestOutput",
    "InputNotQueued",
    "InputsFull",
    "InputStep",
    "InputView",
    "InvalidArgument",
    "InvalidMachine",
    "InvalidMessage",
    "LandedBoundary",
    "LiveEvent",
    "LogCorrupt",
    "Missed",
    "MobMember",
    "NoAgent",
    "NoPendingBoundary",
    "OwnerLost",
    "OpenCall",
    "OpenCalls",
    "Operation",
    "PeerIngressSnapshot",
    "PerdureError",
    "Receipt",
    "ReceiptNotFound",
    "RecoverReport",
    "RecycleReport",
    "ResetReport",
    "RetireReport",
    "RuntimeAdapter",
    "RuntimeState",
    "ScriptedAgent",
    "SessionBusy",
    "SessionNotFound",
    "SessionNotRunning",
    "SessionView",
    "StagedFilter",
    "StaleWriter",
    "StopReport",
    "StoreError",
    "ToolScopeSnapshot",
    "ToolSurfaceEntry",
    "Turn",
    "TurnInput",
    "TurnResult",
    "Unsupported",
    "Usage",
}

MACHINE_NAMES = {
    "Action",
    "Always",
    "AlwaysPossible",
    "Arg",
    "Authority",
    "BUILT_IN",
    "Bound",
    "Choice",
    "Configuration",
    "Const",
    "Count",
    "Edge",
    "Expression",
    "Flag",
    "Graph",
    "Identity",
    "LIFECYCLE",
    "LeadsTo",
    "LeftOut",
    "Machine",
    "Model",
    "Moment",
    "Next",
    "Node",
    "PHASE",
    "Place",
    "Property",
    "Report",
    "Row",
    "SESSION",
    "Sometimes",
    "Synchronisation",
    "Token",
    "Value",
    "Var",
    "Variable",
    "Verb",
    "Violation",
    "at_most_one",
    "check",
    "compose",
    "every",
    "graph_of",
    "implies",
    "in_phase",
    "instances",
    "model_of",
    "row",
    "some",
    "within",
    "contract",
    "mermaid",
    "promela",
    "svg",
    "tla",
    "tla_config",
}

PROJECTION_NAMES = {
    "AuditReport",
    "Finding",
    "HistoryPage",
    "SessionView",
    "audit_session",
    "audit_store",
    "canonical_digest",
    "catch_up",
    "list_sessions",
    "page_of",
    "rebuild",
    "receipts_of",
    "recorded_digest",
    "view_of",
}

# Parameters as they are called: those behind the star by keyword only, an = has a default.
ENGINE_METHODS = """
abandon_call session_id call_id * reason=
abandon_input session_id input_id * reason=
append_context session_id text * boundary= source= idempotency_key= run_id=
apply_turn session_id request= * run_id= boundary= input_ids= reservation= join= open_calls= reason=
archive session_id * reason= pending=
archive_mob mob * reason= pending=
as_of session_id version
attach session_id agent
audit session_ids= * heads= jobs=
belongs_to_mob session_id mob
cancel_after_boundary session_id * run_id= reason= authority=
cancel_all_checkpointers
checkpoint session_id
checkpoint_committed session_id snapshot
close
coalesce_inputs session_id input_ids * into= reason=
control
detach session_id
discard_live session_id
end_subscriptions
execution_snapshot session_id
external_tool_surface_snapshot session_id
fork session_id * at_version= at_message= new_session_id= replace= labels= metadata=
head session_id
history session_id * offset= limit=
ingest session_id content * lane= input_id= idempotency_key= source=
inputs session_id
interrupt session_id * run_id= reason= authority=
join_mob session_id mob
keep_alive session_id
leave_mob session_id mob
list * phase= labels= mob= after= limit=
load_persisted session_id
load_receipt session_id run_id sequence=
open url * durability= environment= busy_timeout_seconds= readonly= agents= max_active= \
max_inputs= lease_seconds= grace_seconds= retry_seconds= contention_seconds= checkpoints= call_shapes=
open_calls session_id
peer_ingress_snapshot session_id
publish session_id name payload=
read session_id
rearm_all_checkpointers
receipts session_id
record_turn session_id messages * run_id= boundary= input_ids= usage= expected_version= open_calls= reason=
register session_id= * labels= metadata=
release reservation
reserve session_id
retire session_id * reason=
runtime_adapter
stage_context session_id text * source= idempotency_key=
stage_tool_filter session_id tool_filter
stage_tool_results session_id messages
stop_loop session_id
subscribe session_id= after= * mob= live=
supersede_input session_id input_id content= * by= reason=
supports_persistent_sessions
tool_scope_snapshot session_id
"""  # noqa: E501 - a method a line

ERROR_CODES = {
    "PerdureError": "PERDURE_ERROR",
    "InvalidArgument": "INVALID_ARGUMENT",
    "InvalidMessage": "INVALID_MESSAGE",
    "InvalidMachine": "INVALID_MACHINE",
    "SessionNotFound": "SESSION_NOT_FOUND",
    "ReceiptNotFound": "RECEIPT_NOT_FOUND",
    "AtCapacity": "AT_CAPACITY",
    "NoAgent": "NO_AGENT",
    "CallNotOpen": "CALL_NOT_OPEN",
    "CallsUnresolved": "CALLS_UNRESOLVED",
    "InputNotQueued": "INPUT_NOT_QUEUED",
    "InputsFull": "INPUTS_FULL",
    "SessionBusy": "SESSION_BUSY",
    "SessionNotRunning": "SESSION_NOT_RUNNING",
    "IllegalTransition": "ILLEGAL_TRANSITION",
    "AuthorityRequired": "AUTHORITY_REQUIRED",
    "Conflict": "CONFLICT",
    "StaleWriter": "STALE_WRITER",
    "StoreError": "STORE_ERROR",
    "LogCorrupt": "LOG_CORRUPT",
    "Unsupported": "UNSUPPORTED",
    "EngineClosed": "ENGINE_CLOSED",
}


def signature(owner: type, name: str) -> str:
    member = inspect.getattr_static(owner, name)
    if isinstance(member, property):
        return name
    parts, starred = [name], False
    for parameter in inspect.signature(getattr(owner, name)).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        default = "" if parameter.default is inspect.Parameter.empty else "="
        parts.append(parameter.name + default)
    return " ".join(parts)


def methods(owner: type) -> list[str]:
    return [signature(owner, name) for name in sorted(dir(owner)) if not name.startswith("_")]


def test_the_names_of_each_package_are_these() -> None:
    assert set(perdure.__all__) == ENGINE_NAMES
    assert set(perdure.machines.__all__) == MACHINE_NAMES
    assert set(perdure.projections.__all__) == PROJECTION_NAMES


def test_every_name_that_is_offered_is_there_once() -> None:
    for package in (perdure, perdure.machines, perdure.projections):
        assert len(set(package.__all__)) == len(package.__all__)
        assert all(hasattr(package, name) for name in package.__all__)


def test_the_methods_of_the_engine_and_their_parameters_are_these() -> None:
    assert methods(Engine) == ENGINE_METHODS.strip().splitlines()


@pytest.mark.parametrize("owner", [Engine, Control, RuntimeAdapter])
def test_what_users_hold_inherits_from_no_class_of_ours(owner: type) -> None:
    assert owner.__mro__ == (owner, object)
    blocking = getattr(perdure.sync, owner.__name__)
    assert blocking.__mro__ == (blocking, object)


def test_a_verb_shows_itself_as_the_method_that_it_is() -> None:
    for name, member in vars(Engine).items():
        if not name.startswith("_") and inspect.isfunction(member):
            assert member.__name__ == name
            parameters = list(inspect.signature(member).parameters)
            assert parameters[0] == "self"
            assert "core" not in parameters
            assert "core" not in inspect.get_annotations(member)


def test_every_error_has_its_stable_code_and_no_two_share_one() -> None:
    found = {
        name: value.code
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, PerdureError)
    }
    assert found == ERROR_CODES
    assert len(set(found.values())) == len(found)


def test_every_error_can_be_had_from_the_package() -> None:
    assert set(ERROR_CODES) <= set(perdure.__all__)


def test_every_public_method_says_what_it_does() -> None:
    for name in vars(Engine):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(Engine, name)), name
