"""The published study's own recipe in Keras: images per second of training, for benchmarks/throughput.py.

    python benchmarks/keras_report.py BATCH_SIZE [PICTURES]

Needs TensorFlow and SciPy; this project does not install the first. The network and the augmentation are those of
Keras's example for CIFAR-10, which the report took: ResNet-20 v1, L2 1e-4 on every convolution, Adam,
ImageDataGenerator. The pictures are noise: how fast it is does not depend on what they show.
"""

import sys
import time
from typing import Any

import numpy as np


def network(keras: Any) -> Any:
    """ResNet-20 v1 of Keras's example."""
    layers = keras.layers

    def layer(x: Any, filters: int, size: int = 3, strides: int = 1, relu: bool = True, norm: bool = True) -> Any:
        x = layers.Conv2D(filters, size, strides, "same", kernel_initializer="he_normal",
                          kernel_regularizer=keras.regularizers.L2(1e-4))(x)  # fmt: skip
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


def main(batch_size: int, pictures: int) -> None:
    """Train two epochs; print the speed of the second."""
    import keras
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    chance = np.random.default_rng(0)
    images = chance.random((pictures, 32, 32, 3), np.float32)
    labels = keras.utils.to_categorical(chance.integers(0, 10, pictures), 10)
    model = network(keras)
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(1e-3), metrics=["accuracy"])
    moved = ImageDataGenerator(width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True)
    batches = moved.flow(images, labels, batch_size=batch_size)
    model.fit(batches, epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(batches, epochs=1, verbose=0)
    print(pictures / (time.perf_counter() - began))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3_200)
