"""The operators whose rule agrees with loops that count what they do; a test holds this to what the tests compare."""

from __future__ import annotations

_NAMES = {
    "": """
        Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
        BatchNormalization Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike
        CausalConvWithState Ceil Celu Clip Col2Im Conv ConvInteger ConvTranspose Cos Cosh CumProd CumSum DFT
        DeformConv DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Floor GRU
        Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample
        GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax InstanceNormalization IsInf
        IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual LinearAttention Log LogSoftmax
        LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxRoiPool Mean MeanVarianceNormalization
        MelWeightMatrix Min Mish Mod Mul Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not
        Or PRelu Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike
        RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
        ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Resize RoiAlign RotaryEmbedding
        Round STFT ScatterElements ScatterND Selu Shrink Sigmoid Sign SimplifiedLayerNormalization Sin Sinh
        Softmax SoftmaxCrossEntropyLoss Softplus Softsign Sqrt StringNormalizer Sub Sum SwiGLU Swish Tan Tanh
        TfIdfVectorizer ThresholdedRelu TopK Unique Upsample Where Xor
    """,
    "ai.onnx.ml": """
        Binarizer CategoryMapper DictVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
        OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier
        TreeEnsembleRegressor
    """,
    "ai.onnx.preview.training": """
        Adagrad Adam Gradient Momentum
    """,
    "com.microsoft": """
        Attention BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BitmaskBiasDropout BitmaskDropout
        BranchwiseRMSNorm CDist CausalConvWithState ComplexMul ComplexMulConj ConvTransposeWithDynamicPads
        CropAndResize DecoderAttention DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention DequantizeBFP
        DequantizeLinear DequantizeWithOrder DynamicQuantizeLSTM DynamicQuantizeMatMul DynamicTimeWarping
        EmbedLayerNormalization FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatedAdd
        GatedDeltaNet GatedRMSNorm GatedRelativePositionBias GatherBlockQuantized Gelu GemmFastGelu GemmFloat8
        GemmaRotaryEmbedding GroupNorm GroupQueryAttention Inverse Irfft IsAllFinite LinearAttention
        LinearAttentionGate LongformerAttention MRotaryEmbedding MatMulBlockQuantizedFp4Weight
        MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4 MatMulInteger16 MatMulIntegerToFloat MatMulNBits
        MatMulNBitsMlp MatMulNBitsQkv MaxpoolWithMask MoE MulInteger MultiHeadAttention MurmurHash3
        NGramRepeatBlock NhwcConv NhwcFusedConv NhwcMaxPool PackedAttention PackedMultiHeadAttention
        PagedAttention QAttention QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat
        QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid
        QLinearSoftmax QLinearWhere QMoE QOrderedGelu QOrderedLayerNormalization QOrderedMatMul QuantizeBFP
        QuantizeLinear QuantizeWithOrder QuickGelu Range ReduceSumInteger Rfft RotaryEmbedding ScaledSiLU
        SimplifiedLayerNormalization SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization
        SparseAttention SparseToDenseMatMul TransposeMatMul Unique VarlenCausalConvWithState
    """,
    "com.microsoft.nchwc": """
        AveragePool Conv GlobalAveragePool GlobalMaxPool MaxPool Upsample
    """,
    "com.ms.internal.nhwc": """
        AveragePool BatchNormalization Conv ConvTranspose GlobalAveragePool GlobalLpPool GlobalMaxPool
        InstanceNormalization LRN LpPool MaxPool QLinearAveragePool QLinearConv QLinearConvTranspose Resize
    """,
}

CHECKED = {domain: frozenset(names.split()) for domain, names in _NAMES.items()}
"""By domain, the operators; the empty name is ai.onnx."""
