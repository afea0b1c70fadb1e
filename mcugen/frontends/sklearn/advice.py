"""What to do instead: advice for estimators that are met often and not supported yet."""

from __future__ import annotations

_FOREST = "RandomForestClassifier or RandomForestRegressor on the same data is supported"

# The first entry whose word occurs in `module.ClassName` (lower case) gives the advice; special words come first.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("labelencoder", "leave it out: labels may be texts"),
    ("labelbinarizer", "it changes labels, not rows: leave it out, a model's labels may be texts"),
    ("multilabelbinarizer", "it changes labels, not rows: give `fit` what it makes of them"),
    ("knnimputer", "it looks for neighbours among rows with holes; use SimpleImputer"),
    ("iterativeimputer", "it asks a model for every feature, round after round; use SimpleImputer"),
    ("sklearn.impute", "use SimpleImputer, with `add_indicator=True` for the indicators, or MissingIndicator"),
    ("bernoullirbm", "what it gives are probabilities of hidden units; use PCA, or an MLPClassifier"),
    (
        "sklearn.decomposition",
        "it solves a problem of its own for every row, step by step; use PCA, SparsePCA or FastICA",
    ),
    ("kernelcenterer", "it takes rows of a kernel, not of features; use KernelPCA or Nystroem"),
    (
        "sklearn.feature_extraction",
        "texts and pictures are no rows of numbers: take them apart before `fit`, and in your sketch",
    ),
    ("sklearn.preprocessing", "use StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, Normalizer or Binarizer"),
    ("cross_decomposition", "it has no answer to a row alone; use PLSRegression, PLSCanonical or CCA"),
    ("xgb", "XGBClassifier, XGBRegressor, XGBRanker and Booster are supported"),
    ("lightgbm", "LGBMClassifier, LGBMRegressor, LGBMRanker and Booster are supported"),
    ("quantile_forest", f"its answer is a quantile of all rows in the leaves; {_FOREST}"),
    ("sksurv", f"survival trees give curves, not one answer; {_FOREST}"),
    (
        "radiusneighbors",
        "how many neighbours a row has is not known beforehand; use KNeighborsClassifier or KNeighborsRegressor",
    ),
    (
        "neighbors",
        "it gives a graph; use KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor or NearestCentroid",
    ),
    ("manifold", "it places new rows by distances along a graph of all rows; use PCA, KernelPCA or Nystroem"),
    ("sklearn.semi_supervised", "its answer is a sum over a graph of all rows; use SelfTrainingClassifier"),
    (
        "gaussianprocessclassifier",
        "its probabilities are integrals over normal distributions; fit an SVC, a LogisticRegression behind Nystroem, or a "
        "GaussianProcessRegressor on labels of -1 and 1",
    ),
    (
        "additivechi2sampler",
        "it is a square root and sines of logarithms of each feature; fit SkewedChi2Sampler or Nystroem",
    ),
    (
        "polynomialcountsketch",
        "it multiplies Fourier transforms of sketches; fit Nystroem(kernel='poly') or PolynomialFeatures",
    ),
    (
        "sklearn.cluster",
        "it keeps a tree of the rows it has seen; use KMeans, BisectingKMeans, or a RandomForestClassifier trained on the cluster labels",
    ),
    ("keras", "export it to ONNX (`model.export(path, format='onnx')`) and give that file"),
    ("tensorflow", "export it to ONNX with tf2onnx and give that file"),
    ("torch", "export it to ONNX (`torch.onnx.export`) and give that file"),
    ("onnx", "give the ModelProto itself, or the path of the .onnx file"),
    ("sklearn.", f"no C was written for it; {_FOREST}"),
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
