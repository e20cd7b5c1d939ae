"""Save a scikit-learn model with cloud_storage_service and load it again."""

import numpy as np
from sklearn.linear_model import LinearRegression

import cloud_storage_service

X = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
y = np.dot(X, np.array([1, 2])) + 3
model = LinearRegression().fit(X, y)

cloud_storage_service.save_model(model, "models/linear_regression_model.pkl")

loaded = cloud_storage_service.load_model("models/linear_regression_model.pkl")
print("Loaded model predicts", loaded.predict(np.array([[3, 5]]))[0], "for (3, 5)")
