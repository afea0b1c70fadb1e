"""What to do instead: advice for estimators that are met often and not supported yet."""

from __future__ import annotations

_FOREST = "RandomForestClassifier or RandomForestRegressor on the same data is supported"

# The first entry whose word occurs in `module.ClassName` (lower case) gives the advice; special words come first.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("labelencoder", "leave it out: labels may be texts"),
    ("knnimputer", "use SimpleImputer"),
    ("iterativeimputer", "use SimpleImputer"),
    ("sklearn.impute", "use SimpleImputer, with `add_indicator=True` for the indicators, or MissingIndicator"),
    ("sklearn.decomposition", "use PCA, TruncatedSVD, FactorAnalysis or FastICA"),
    ("sklearn.feature_extraction", "take texts and pictures apart before `fit`, and in your sketch"),
    (
        "sklearn.preprocessing",
        "use StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, Normalizer, Binarizer, KBinsDiscretizer or PolynomialFeatures",
    ),
    ("cross_decomposition", "use PLSRegression, PLSCanonical or CCA"),
    ("xgb", "XGBClassifier, XGBRegressor, XGBRanker and Booster are supported"),
    ("lightgbm", "LGBMClassifier, LGBMRegressor, LGBMRanker and Booster are supported"),
    ("quantile_forest", f"not yet; {_FOREST}"),
    ("sksurv", f"survival trees give curves, not one answer; {_FOREST}"),
    ("linear_model", "fit and compile one model per output: Lasso and ElasticNet are supported"),
    ("radiusneighbors", "use KNeighborsClassifier or KNeighborsRegressor, with a fixed number of neighbours"),
    ("neighbors", "use KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor or NearestCentroid"),
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
        "new rows have no cluster of it; use KMeans, BisectingKMeans, or a RandomForestClassifier trained on the cluster labels",
    ),
    ("keras", "export it to ONNX (`model.export(path, format='onnx')`) and give that file"),
    ("tensorflow", "export it to ONNX with tf2onnx and give that file"),
    ("torch", "export it to ONNX (`torch.onnx.export`) and give that file"),
    ("onnx", "give the ModelProto itself, or the path of the .onnx file"),
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
