// SPDX-License-Identifier: Apache-2.0
// Inside `tensor` only: what of ONNX Runtime's C interface is used, declared from its
// documentation. The interface is one table of functions that only ever grows at its end, so the
// place of a function is its identity (docs/adr/0013-onnx-runtime.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace likeness::tensor::ort {

struct Env;
struct Status;
struct Session;
struct SessionOptions;
struct Value;
struct MemoryInfo;
struct TypeInfo;
struct TensorInfo;
struct RunOptions;
struct Allocator;

/// What OrtGetApiBase() gives.
struct ApiBase {
  const void* (*get_api)(uint32_t version) noexcept;
  const char* (*version)() noexcept;
};
/// Of the interface that is asked for: the oldest one that has all of the functions below.
inline constexpr uint32_t kApiVersion = 10;

enum Slot : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetLogSeverity = 22,
  kSetOptimizationLevel = 23,
  kSetIntraOpThreads = 24,
  kSetInterOpThreads = 25,
  kInputCount = 30,
  kOutputCount = 31,
  kInputTypeInfo = 33,
  kOutputTypeInfo = 34,
  kInputName = 36,
  kOutputName = 37,
  kCreateTensorWithData = 49,
  kIsTensor = 50,
  kTensorData = 51,
  kCastTypeInfo = 55,
  kElementType = 60,
  kDimensionsCount = 61,
  kDimensions = 62,
  kElementCount = 64,
  kTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kAllocatorFree = 76,
  kDefaultAllocator = 78,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTypeInfo = 98,
  kReleaseTensorInfo = 99,
  kReleaseSessionOptions = 100
};

/// Types of elements, as in TensorProto.
inline constexpr int kFloat = 1, kInt64 = 7;
inline constexpr int kLogFatal = 4, kOptimiseAll = 99, kArenaAllocator = 1, kDefaultMemory = 0;

}  // namespace likeness::tensor::ort
