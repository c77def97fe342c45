// Every kernel family. Each ISA unit includes this once, after its vector vocabulary.

#include "kernels/elementwise/activation.inl"
#include "kernels/elementwise/arithmetic.inl"
#include "kernels/embedding/embedding.inl"
#include "kernels/layout/rearrange.inl"
#include "kernels/layout/sum.inl"
#include "kernels/optim/adam.inl"
#include "kernels/optim/clip.inl"
#include "kernels/optim/sgd.inl"
#include "kernels/random/dropout.inl"
#include "kernels/softmax/cross_entropy.inl"
#include "kernels/softmax/mean_squared_error.inl"
#include "kernels/softmax/softmax.inl"
