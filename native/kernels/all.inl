// Every kernel family. Each ISA unit includes this once, after its vector vocabulary.
