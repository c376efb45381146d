"""Measure the training speed of the report's own recipe in Keras, for benchmarks/throughput.py.

    python benchmarks/keras_report.py BATCH_SIZE [IMAGES]

Needs TensorFlow and SciPy; TensorFlow is not installed with this project. Network and augmentation are those of Keras's
example for CIFAR-10, which the report used: ResNet-20 v1, L2 of 1e-4 on every convolution, Adam, ImageDataGenerator.
The images are noise, because the speed does not depend on their content.
"""

import sys
import time
from typing import Any

import numpy as np


def network(keras: Any) -> Any:
    """Return ResNet-20 v1 of Keras's example."""
    layers = keras.layers
    weights = {"kernel_initializer": "he_normal", "kernel_regularizer": keras.regularizers.L2(1e-4)}

    def layer(x: Any, filters: int, size: int = 3, strides: int = 1, relu: bool = True, norm: bool = True) -> Any:
        x = layers.Conv2D(filters, size, strides, "same", **weights)(x)
        x = layers.BatchNormalization()(x) if norm else x
        return layers.Activation("relu")(x) if relu else x

    inputs = keras.Input((32, 32, 3))
    x = layer(inputs, 16)
    for stage in range(3):
        filters = 16 << stage
        for block in range(3):
            strides = 2 if stage and not block else 1
            y = layer(layer(x, filters, strides=strides), filters, relu=False)
            if strides == 2:
                x = layer(x, filters, 1, strides, relu=False, norm=False)
            x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return keras.Model(inputs, layers.Dense(10, "softmax", kernel_initializer="he_normal")(x))


def main(batch_size: int, image_count: int) -> None:
    """Train two epochs; print the images per second of the second."""
    import keras
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    rng = np.random.default_rng(0)
    images = rng.random((image_count, 32, 32, 3), np.float32)
    labels = keras.utils.to_categorical(rng.integers(0, 10, image_count), 10)
    model = network(keras)
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(1e-3), metrics=["accuracy"])
    augmentation = ImageDataGenerator(width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True)
    batches = augmentation.flow(images, labels, batch_size=batch_size)
    model.fit(batches, epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(batches, epochs=1, verbose=0)
    print(image_count / (time.perf_counter() - began))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3_200)
