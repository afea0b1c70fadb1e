"""What to do instead: advice for estimators that are met often and not supported yet."""

from __future__ import annotations

_FOREST = "RandomForestClassifier or RandomForestRegressor on the same data is supported"

# The first entry whose word occurs in `module.ClassName` (lower case) gives the advice; special words come first.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("searchcv", "compile the best estimator found: `search.best_estimator_`"),
    ("halving", "compile the best estimator found: `search.best_estimator_`"),
    ("pipeline", "not yet; trees need no scaling: fit the tree or forest on the raw features and compile that"),
    ("columntransformer", "not yet; fit a tree or forest on the raw numeric features"),
    ("multioutput", "not yet; fit and compile one model per output"),
    ("chain", "not yet; fit and compile one model per output"),
    ("onevs", "not yet; RandomForestClassifier is multi-class by itself and supported"),
    ("calibrated", "not yet; a forest's own probabilities are supported: `--output proba`"),
    ("histgradientboosting", f"not yet; {_FOREST}"),
    ("gradientboosting", f"not yet; {_FOREST}"),
    ("adaboost", f"not yet; {_FOREST}"),
    ("bagging", f"not yet; bagged trees are a forest: {_FOREST}"),
    ("voting", f"not yet; compile one of its members, or: {_FOREST}"),
    ("stacking", f"not yet; compile one of its members, or: {_FOREST}"),
    ("isolationforest", "not yet; a RandomForestClassifier trained on examples of both kinds is supported"),
    ("randomtreesembedding", "not yet; compile a supervised forest"),
    ("xgb", f"not yet; {_FOREST}"),
    ("lightgbm", f"not yet; {_FOREST}"),
    ("lgbm", f"not yet; {_FOREST}"),
    ("catboost", f"not yet; {_FOREST}"),
    ("quantile_forest", f"not yet; {_FOREST}"),
    ("sksurv", f"survival trees give curves, not one answer; {_FOREST}"),
    ("svm", f"not yet; {_FOREST}"),
    ("linear_model", f"not yet; {_FOREST}"),
    ("neighbors", f"not yet; {_FOREST}"),
    ("naive_bayes", f"not yet; {_FOREST}"),
    ("neural_network", f"not yet; {_FOREST}"),
    ("discriminant", f"not yet; {_FOREST}"),
    ("gaussian_process", f"not yet; {_FOREST}"),
    ("cluster", "not yet; a RandomForestClassifier trained on the cluster labels is supported"),
    ("keras", f"neural networks are not supported yet; {_FOREST}"),
    ("tensorflow", f"neural networks are not supported yet; {_FOREST}"),
    ("torch", f"neural networks are not supported yet; {_FOREST}"),
    ("onnx", f"ONNX graphs are not supported yet; {_FOREST}"),
    ("sklearn.", f"not yet; {_FOREST}"),
    ("builtins.str", "a text is taken as a path where one is expected; here pass the fitted estimator itself"),
    ("builtins.dict", "the estimator may be one of its entries: pass that alone"),
    ("builtins.list", "pass the fitted estimator itself, one at a time"),
    ("builtins.tuple", "pass the fitted estimator itself, one at a time"),
)


ELSE = f"pass a fitted scikit-learn tree or forest: {_FOREST}"


def advice_for(module: str, name: str) -> str:
    """What to do instead of an object of class `module.name`; empty where no advice fits."""
    full = f"{module}.{name}".lower()
    return next((text for word, text in _ADVICE if word in full), "")
