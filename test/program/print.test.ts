import { crossEntropy, embedding, linear, lstm, sequential, sgd } from '../../lib';
import { print } from '../../lib/program/print';
import { writeStep } from '../../lib/train/step';
import { prepareBatch } from '../../lib/train/batch';
import { ints } from '../support/models';

const model = sequential([embedding(7, 2), lstm(3), linear(7)], { backend: 'reference' });
const batch = { inputs: ints([0, 1, 2, 3, 4, 5], [2, 3]), targets: ints([1, 2, 3, 4, 5, 6], [2, 3]) };

test('a forward program prints one line for each input, state, equation and output', () => {
  expect(model.bind(batch).program()).toMatchInlineSnapshot(`
   "input inputs %0: int32[B, T]
   state 0.weight %1: float32[7, 2]
   state 1.weight_ih_l0 %2: float32[12, 2]
   state 1.weight_hh_l0 %3: float32[12, 3]
   state 1.bias_ih_l0 %4: float32[12]
   state 1.bias_hh_l0 %5: float32[12]
   state 2.weight %6: float32[7, 3]
   state 2.bias %7: float32[7]
   y %8: int32[T, B] = transpose(x %0, permutation=[1,0])
   y %9: float32[T, B, 2] = embedding(tokens %8, weight %1)  # 0
   y %10: float32[T, B, 3] = lstm(x %9, weight_ih %2, weight_hh %3, bias_ih %4, bias_hh %5, reverse=false, activations=[0,0,1,0,1], cell_clip=0, gate_clip=0)  # 1
   y %23: float32[T, B, 7] = linear(x %10, weight %6, bias %7)  # 2
   y %24: float32[B, T, 7] = transpose(x %23, permutation=[1,0,2])
   output output %24"
  `);
});

test('a training step prints forward, loss, backward, guards and the update', () => {
  const { inputSignature, supervisionSignature } = prepareBatch(batch);
  const { program } = writeStep(
    model.network,
    inputSignature,
    supervisionSignature,
    { training: true, recurrentState: 'zero' },
    { loss: crossEntropy() },
    { optimizer: sgd(), clipNorm: 1 },
  );
  expect(print(program)).toMatchInlineSnapshot(`
   "input inputs %0: int32[B, T]
   input targets %1: int32[B, T]
   input max_norm %2: float64[]
   input learning_rate %3: float64[1]
   input weight_decay %4: float64[1]
   state 0.weight %5: float32[7, 2] -> %54
   state 1.weight_ih_l0 %6: float32[12, 2] -> %55
   state 1.weight_hh_l0 %7: float32[12, 3] -> %56
   state 1.bias_ih_l0 %8: float32[12] -> %57
   state 1.bias_hh_l0 %9: float32[12] -> %58
   state 2.weight %10: float32[7, 3] -> %59
   state 2.bias %11: float32[7] -> %60
   y %12: int32[T, B] = transpose(x %0, permutation=[1,0])
   y %13: float32[T, B, 2] = embedding(tokens %12, weight %5)  # 0
   y %14: float32[T, B, 3], gates %17: float32[T, B, 12], cells %18: float32[T, B, 3] = lstm(x %13, weight_ih %6, weight_hh %7, bias_ih %8, bias_hh %9, reverse=false, activations=[0,0,1,0,1], cell_clip=0, gate_clip=0)  # 1
   y %27: float32[T, B, 7] = linear(x %14, weight %10, bias %11)  # 2
   y %28: int32[T, B] = transpose(x %1, permutation=[1,0])
   loss %29: float32[], total_weight %30: float32[], log_sum_exp %31: float32[T, B] = cross_entropy(logits %27, targets %28, ignore_index=-100)  # loss
   y %32: float32[] = fill(value=1, shape=[])
   dlogits %33: float32[T, B, 7] = cross_entropy_backward(dloss %32, logits %27, targets %28, log_sum_exp %31, total_weight %30, ignore_index=-100)  # loss
   dx %34: float32[T, B, 3] = linear_backward_input(dy %33, weight %10)  # 2
   dweight %35: float32[7, 3] = linear_backward_weight(dy %33, x %14)  # 2
   dbias %36: float32[7] = linear_backward_bias(dy %33)  # 2
   dgates %37: float32[T, B, 12] = lstm_backward(dy %34, gates %17, cells %18, weight_hh %7, reverse=false, activations=[0,0,1,0,1], cell_clip=0, gate_clip=0)  # 1
   dbias %47: float32[12] = linear_backward_bias(dy %37)  # 1
   dx %48: float32[T, B, 2] = linear_backward_input(dy %37, weight %6)  # 1
   dweight %49: float32[12, 2] = linear_backward_weight(dy %37, x %13)  # 1
   dweight_hh %50: float32[12, 3] = lstm_backward_weight(dgates %37, y %14, reverse=false)  # 1
   dweight %51: float32[7, 2] = embedding_backward(dy %48, tokens %12, shape=[7,2])  # 0
   norm %52: float64[] = gradient_norm(gradients (%51 %49 %50 %47 %47 %35 %36))  # update
   scale %53: float64[] = clip_scale(norm %52, max_norm %2)  # update
   commit if finite: loss %29, gradient_norm %52
   parameters (%54 %55 %56 %57 %58 %59 %60): float32[7, 2] = sgd(parameters (%5 %6 %7 %8 %9 %10 %11), gradients (%51 %49 %50 %47 %47 %35 %36), learning_rate %3, weight_decay %4, scale %53, momenta (), begun (), groups=[0,0,0,0,0,0,0], momentum=0, dampening=0, nesterov=false)  # update
   output loss %29
   output total_weight %30
   output gradient_norm %52"
  `);
});
