"""What we use of the companion specification OPC 40100-1, Machine Vision: names and numbers.

They are those of its namespace, version 1.0.0 (2019-07-11), so that a client that knows the
specification knows our nodes. Only a part is here, and the server says so (``IsNamespaceSubset``).
"""

from dataclasses import dataclass
from enum import IntEnum

URI = "http://opcfoundation.org/UA/MachineVision"
VERSION, PUBLISHED = "1.0.0", "2019-07-11T10:18:27+00:00"
METADATA = 5009

# Object and variable types.
VISION_SYSTEM, RESULT_MANAGEMENT, RESULT_FOLDER, RESULT = 1003, 1007, 1016, 2002
STATE_MACHINE, AUTOMATIC_MODE, RESULT_READY = 1017, 1021, 1024
# Data types that are numbers or texts under a name of their own.
TRIMMED_STRING, HANDLE, RESULT_STATE, SYSTEM_STATE = 3017, 3018, 3009, 3023
# Those of the standard itself.
BOOLEAN, INT32, UINT32, STRING, BYTES, TEXT, ANY = 1, 6, 7, 12, 15, 21, 24
DURATION, UTC_TIME = 290, 294


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure.

    Attributes:
        name: Of the field.
        kind: Number of its data type: in the specification's namespace above 1000, else in the
            standard's.
        optional: Whether a value may lack it.
        array: Whether it holds many.

    """

    name: str
    kind: int
    optional: bool = False
    array: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """A data type of fields.

    Attributes:
        number: Of the type.
        encoding: Of its binary encoding, which is how values say what they are.
        fields: In their order.
        base: Number of a type whose fields it has, too; 0 has none.

    """

    number: int
    encoding: int
    fields: tuple[Field, ...]
    base: int = 0


class ResultState(IntEnum):
    """How far a result came."""

    UNDEFINED = 0
    COMPLETED = 1
    PROCESSING = 2
    ABORTED = 3
    FAILED = 4


class SystemState(IntEnum):
    """What a vision system is up to, in the words of SEMI E10; those that a station has."""

    PRD_1 = 1  # it works
    SBY_2 = 2  # it waits for a part
    UDT_5 = 5  # it cannot work


class State(IntEnum):
    """States of the two state machines, by the number of their nodes."""

    ERROR = 5030
    OPERATIONAL = 5031
    READY = 5057
    CONTINUOUS_EXECUTION = 5059


STATE_NAMES = {
    State.ERROR: "Error",
    State.OPERATIONAL: "Operational",
    State.READY: "Ready",
    State.CONTINUOUS_EXECUTION: "ContinuousExecution",
}
STATE_NUMBERS = {
    State.ERROR: 3,
    State.OPERATIONAL: 4,
    State.READY: 6,
    State.CONTINUOUS_EXECUTION: 8,
}

_ID = Field("Id", TRIMMED_STRING)
_DESCRIPTION = Field("Description", TEXT, optional=True)
_BINARY_ID = (
    _ID,
    Field("Version", TRIMMED_STRING, optional=True),
    Field("Hash", BYTES, optional=True),
    Field("HashAlgorithm", STRING, optional=True),
    _DESCRIPTION,
)
STRUCTURES = {
    "BinaryIdBaseDataType": Structure(3019, 5027, _BINARY_ID),
    "RecipeIdExternalDataType": Structure(3002, 5002, _BINARY_ID, base=3019),
    "RecipeIdInternalDataType": Structure(3013, 5268, _BINARY_ID, base=3019),
    "ConfigurationIdDataType": Structure(3008, 5090, _BINARY_ID, base=3019),
    "ProductIdDataType": Structure(3003, 5224, (_ID, _DESCRIPTION)),
    "PartIdDataType": Structure(3004, 5013, (_ID, _DESCRIPTION)),
    "MeasIdDataType": Structure(3015, 5006, (_ID, _DESCRIPTION)),
    "JobIdDataType": Structure(3016, 5008, (_ID,)),
    "ResultIdDataType": Structure(3021, 5274, (_ID,)),
    "ProcessingTimesDataType": Structure(
        3005,
        5016,
        (
            Field("StartTime", UTC_TIME),
            Field("EndTime", UTC_TIME),
            Field("AcquisitionDuration", DURATION, optional=True),
            Field("ProcessingDuration", DURATION, optional=True),
        ),
    ),
    "SystemStateDescriptionDataType": Structure(
        3024,
        5278,
        (
            Field("State", SYSTEM_STATE),
            Field("StateDescription", TRIMMED_STRING, optional=True),
        ),
    ),
    "ResultDataType": Structure(
        3006,
        5018,
        (
            Field("ResultId", 3021),
            Field("HasTransferableDataOnFile", BOOLEAN, optional=True),
            Field("IsPartial", BOOLEAN),
            Field("IsSimulated", BOOLEAN, optional=True),
            Field("ResultState", RESULT_STATE),
            Field("MeasId", 3015, optional=True),
            Field("PartId", 3004, optional=True),
            Field("ExternalRecipeId", 3002, optional=True),
            Field("InternalRecipeId", 3013),
            Field("ProductId", 3003, optional=True),
            Field("ExternalConfigurationId", 3008, optional=True),
            Field("InternalConfigurationId", 3008),
            Field("JobId", 3016),
            Field("CreationTime", UTC_TIME),
            Field("ProcessingTimes", 3005, optional=True),
            Field("ResultContent", ANY, optional=True, array=True),
        ),
    ),
}
# Of a variable of ResultType, and of an event that a result is ready: the fields, as nodes.
RESULT_COMPONENTS = {
    "ResultId": 6046,
    "IsPartial": 6052,
    "IsSimulated": 6053,
    "ResultState": 6054,
    "MeasId": 6055,
    "PartId": 6094,
    "InternalRecipeId": 6284,
    "InternalConfigurationId": 6329,
    "JobId": 6330,
    "CreationTime": 6331,
    "ProcessingTimes": 6332,
    "ResultContent": 6333,
}
EVENT_PROPERTIES = {
    "ResultId": 6295,
    "IsPartial": 6296,
    "IsSimulated": 6297,
    "ResultState": 6298,
    "MeasId": 6299,
    "JobId": 6300,
    "InternalRecipeId": 6302,
    "CreationTime": 6303,
    "PartId": 6304,
    "ProcessingTimes": 6305,
    "ResultContent": 6306,
    "InternalConfigurationId": 6142,
}
RESULT_FIELDS = {field.name: field for field in STRUCTURES["ResultDataType"].fields}
