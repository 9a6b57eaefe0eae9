#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fuzz/corpus/tflite/small.tflite, its input and the outputs TensorFlow Lite gives for it.

The network is random and tiny; it has every standard operator that the reader knows. Needs
`pip install ai-edge-litert numpy`; run once, the files are committed.
"""
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import flexbuffers

rng = np.random.default_rng(7)
op = s.BuiltinOperator


class Net:
    def __init__(self):
        self.model, self.graph = s.ModelT(), s.SubGraphT()
        self.model.version, self.model.subgraphs = 3, [self.graph]
        self.model.operatorCodes, self.model.buffers = [], [s.BufferT()]
        self.graph.tensors, self.graph.operators = [], []
        self.codes = {}

    def tensor(self, shape, data=None, kind=s.TensorType.FLOAT32, name="t"):
        t = s.TensorT()
        t.shape, t.type, t.name = list(shape), kind, name.encode()
        t.buffer = 0
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(data.tobytes(), np.uint8)
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(b)
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def add(self, code, inputs, shape, options=None, kind=None):
        if code not in self.codes:
            c = s.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), 1
            self.codes[code] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(c)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs = self.codes[code], list(inputs)
        out = self.tensor(shape, name=f"o{len(self.graph.operators)}")
        o.outputs = [out]
        if options is not None:
            o.builtinOptions, o.builtinOptionsType = options, getattr(s.BuiltinOptions, type(options).__name__[:-1])
        self.graph.operators.append(o)
        return out

    def custom(self, name, inputs, shape, options):
        c = s.OperatorCodeT()
        c.builtinCode = c.deprecatedBuiltinCode = op.CUSTOM
        c.customCode, c.version = name.encode(), 2
        self.model.operatorCodes.append(c)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs = len(self.model.operatorCodes) - 1, list(inputs)
        o.customOptions = np.frombuffer(options, np.uint8)
        o.outputs = [self.tensor(shape, name="c")]
        self.graph.operators.append(o)
        return o.outputs[0]

    def half(self, *shape, scale=0.4):
        w = rng.normal(0, scale, shape).astype(np.float16)
        raw = self.tensor(shape, w, s.TensorType.FLOAT16, "w16")
        return self.add(op.DEQUANTIZE, [raw], shape)

    def ints(self, array):
        a = np.array(array, np.int32)
        return self.tensor(a.shape, a, s.TensorType.INT32, "i")


def make(kind, **fields):
    o = kind()
    for key, value in fields.items():
        setattr(o, key, value)
    return o


def save(net, inputs, outputs, name):
    net.graph.inputs, net.graph.outputs = inputs, outputs
    b = flatbuffers.Builder(1 << 16)
    b.Finish(net.model.Pack(b), b"TFL3")
    content = bytes(b.Output())
    open(f"{sys.argv[1]}/{name}.tflite", "wb").write(content)
    return content


n = Net()
x = n.tensor((1, 9, 8, 3), name="input")
conv = lambda p, st: make(s.Conv2DOptionsT, padding=p, strideW=st, strideH=st, dilationWFactor=1, dilationHFactor=1)
a = n.add(op.CONV_2D, [x, n.half(10, 3, 3, 3), n.half(10)], (1, 5, 4, 10), conv(0, 2))
a = n.add(op.PRELU, [a, n.half(1, 1, 10)], (1, 5, 4, 10))
d = n.add(op.DEPTHWISE_CONV_2D, [a, n.half(1, 3, 3, 10), n.half(10)], (1, 5, 4, 10),
          make(s.DepthwiseConv2DOptionsT, padding=0, strideW=1, strideH=1, depthMultiplier=1, dilationWFactor=1, dilationHFactor=1))
d = n.add(op.CONV_2D, [d, n.half(20, 1, 1, 10), n.half(20)], (1, 5, 4, 20), conv(1, 1))
p = n.add(op.PAD, [a, n.ints([[0, 0], [0, 0], [0, 0], [0, 10]])], (1, 5, 4, 20), s.PadOptionsT())
d = n.add(op.ADD, [p, d], (1, 5, 4, 20), s.AddOptionsT())
d = n.add(op.RELU, [d], (1, 5, 4, 20))
m = n.add(op.MAX_POOL_2D, [d], (1, 3, 2, 20), make(s.Pool2DOptionsT, padding=0, strideW=2, strideH=2, filterWidth=2, filterHeight=2))
g = n.add(op.AVERAGE_POOL_2D, [m], (1, 1, 1, 20), make(s.Pool2DOptionsT, padding=1, strideW=2, strideH=3, filterWidth=2, filterHeight=3))
g = n.add(op.LOGISTIC, [g], (1, 1, 1, 20))
m = n.add(op.MUL, [m, g], (1, 3, 2, 20), s.MulOptionsT())
m = n.add(op.HARD_SWISH, [m], (1, 3, 2, 20))
r = n.add(op.RESIZE_BILINEAR, [m, n.ints([6, 5])], (1, 6, 5, 20), make(s.ResizeBilinearOptionsT, halfPixelCenters=True))
r = n.add(op.SUB, [r, n.half(20)], (1, 6, 5, 20), s.SubOptionsT())
r = n.add(op.ABS, [r], (1, 6, 5, 20), s.AbsOptionsT())
c = n.add(op.STRIDED_SLICE, [r, n.ints([0, 1, 0, 2]), n.ints([1, 6, 5, 20]), n.ints([1, 2, 1, 3])], (1, 3, 5, 6), s.StridedSliceOptionsT())
f = n.add(op.RESHAPE, [c, n.ints([1, 15, 6])], (1, 15, 6), make(s.ReshapeOptionsT, newShape=[1, 15, 6]))
h = n.add(op.RESHAPE, [g, n.ints([1, 20])], (1, 20), make(s.ReshapeOptionsT, newShape=[1, 20]))
h = n.add(op.FULLY_CONNECTED, [h, n.half(18, 20), n.half(18)], (1, 18), s.FullyConnectedOptionsT())
h = n.add(op.RESHAPE, [h, n.ints([1, 3, 6])], (1, 3, 6), make(s.ReshapeOptionsT, newShape=[1, 3, 6]))
z = n.add(op.CONCATENATION, [f, h], (1, 18, 6), make(s.ConcatenationOptionsT, axis=1))
content = save(n, [x], [z, d], "small")
it = Interpreter(model_content=content)
it.allocate_tensors()
data = rng.uniform(-1, 1, (1, 9, 8, 3)).astype(np.float32)
it.set_tensor(x, data)
it.invoke()
out = [it.get_tensor(o["index"]).ravel() for o in it.get_output_details()]
np.concatenate([data.ravel(), *out]).astype("<f4").tofile(f"{sys.argv[1]}/../small_tflite_expected.f32")
print(len(content), [o.shape for o in out])

# MediaPipe's custom operators, which TensorFlow Lite itself cannot run.
n = Net()
points, features = n.tensor((1, 6, 3), name="points"), n.tensor((1, 5, 5, 4), name="features")
crop = {"output_width": 4, "output_height": 4}
matrix = n.custom("Landmarks2TransformMatrix", [points], (1, 4, 4), bytes(flexbuffers.Dumps(
    {**crop, "left_rotation_idx": 0, "right_rotation_idx": 3, "scale_x": 1.5, "scale_y": 1.5,
     "target_rotation_radians": 0.0, "subset_idxs": [0, 1, 2, 3, 5]})))
bent = n.custom("TransformTensorBilinear", [features, matrix], (1, 4, 4, 4), bytes(flexbuffers.Dumps(crop)))
moved = n.custom("TransformLandmarks", [points, matrix], (1, 6, 3), b"")
wide = n.custom("Convolution2DTransposeBias", [bent, n.half(1, 2, 2, 4), n.half(1)], (1, 8, 8, 1),
                np.array([1, 2, 2], np.int32).tobytes())
save(n, [points, features], [moved, wide], "custom")
