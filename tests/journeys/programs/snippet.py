import sagemaker
from sagemaker import get_execution_role
sagemaker_session = sagemaker.Session()
role = get_execution_role()
bucket = sagemaker_session.default_bucket()
data_location = 's3://{}/my-data'.format(bucket)
from sagemaker.amazon.amazon_estimator import get_image_uri
container = get_image_uri(sagemaker_session.boto_region_name, 'linear-learner')
linear = sagemaker.estimator.Estimator(container, role, train_instance_count=1, train_instance_type='ml.c4.xlarge',
                                       output_path='s3://{}/output'.format(bucket), sagemaker_session=sagemaker_session)
linear.set_hyperparameters(feature_dim=10, predictor_type='binary_classifier')
linear.fit({'train': data_location})
