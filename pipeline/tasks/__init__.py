"""The Luigi graph: which step needs which, where its output goes, and nothing else."""

from pipeline.tasks.entities import ImportVectors, IndexNames
from pipeline.tasks.factors import ChooseSettings, FitFactors, FoldInEntity
from pipeline.tasks.inputs import EntityFiles, HeldOutInteractions, Interactions, RuleFile, UserList
from pipeline.tasks.interactions import EncodeInteractions, EncodeTestSet, SplitInteractions
from pipeline.tasks.maps import DrawMap
from pipeline.tasks.runs import CheckRun, Evaluate, PublishRun, WriteReport
from pipeline.tasks.tables import BuildIndex, KeepRules, WriteTable

__all__ = [
    "BuildIndex",
    "CheckRun",
    "ChooseSettings",
    "DrawMap",
    "EncodeInteractions",
    "EncodeTestSet",
    "EntityFiles",
    "Evaluate",
    "FitFactors",
    "FoldInEntity",
    "HeldOutInteractions",
    "ImportVectors",
    "IndexNames",
    "Interactions",
    "KeepRules",
    "PublishRun",
    "RuleFile",
    "SplitInteractions",
    "UserList",
    "WriteReport",
    "WriteTable",
]
