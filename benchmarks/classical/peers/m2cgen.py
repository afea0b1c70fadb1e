"""m2cgen: one C function of expressions on doubles, which are floats on AVR."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.classical.code import ARGMAX, Code

DEEP = 100_000  # its generators call themselves once per operand of a sum

VOTES = """
static int best(double *scores)
{{
    unsigned char votes[{classes}] = {{0}};
    for (int i = 0; i < {classes}; i++) {{
        for (int j = i + 1; j < {classes}; j++) {{
            votes[*scores++ > 0 ? i : j]++;
        }}
    }}
    int found = 0;
    for (int i = 1; i < {classes}; i++) {{
        if (votes[i] > votes[found]) {{
            found = i;
        }}
    }}
    return found;
}}
"""


def port(model: Any, form: str, train: Any) -> Code:
    """Scores for each class, for each pair of classes of an SVM, or one score for two classes."""
    import m2cgen

    sys.setrecursionlimit(DEEP)
    source = m2cgen.export_to_c(model)
    files = {"score.c": source}
    if "double score(" in source:
        return Code(
            "double score(double *input);\n", "score(x) > 0", files=files, compiled=("score.c",), input="double"
        )
    classes = len(model.classes_)
    is_pairs = hasattr(model, "n_support_")
    helper = VOTES if is_pairs else ARGMAX
    scores = classes * (classes - 1) // 2 if is_pairs else classes
    sketch = "void score(double *input, double *output);\n" + helper.format(type="double", classes=classes)
    sketch += f"static int scored(double *x)\n{{\n    double scores[{scores}];\n    score(x, scores);\n    return best(scores);\n}}\n"
    return Code(sketch, "scored(x)", files=files, compiled=("score.c",), input="double")
